// Package iam serves AWS Identity and Access Management: roles, users, groups,
// managed and inline policies, access keys and tags, as package identity keeps
// them. Documents are checked here, and stored as they were given.
package iam

import (
	"slices"

	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
)

// service holds what the handlers need.
type service struct{ book *identity.Book }

// Service is IAM over a book of identities.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
func Service(book *identity.Book) wire.Service {
	s := &service{book: book}
	return wire.Service{
		Name:      "iam",
		Title:     "AWS IAM",
		Version:   "2010-05-08",
		Namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
		Protocol:  query.Protocol{},
		Models:    models(),
		Ops: slices.Concat(
			s.roleOps(), s.userOps(), s.groupOps(), s.keyOps(), s.policyOps(), s.versionOps(),
			s.inlineOps(), s.attachOps(), s.boundaryOps(), s.tagOps(), s.accountOps(),
		),
		ErrorCode: "ServiceFailure",
	}
}
