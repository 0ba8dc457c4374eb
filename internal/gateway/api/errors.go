package api

import "github.com/mayfly-faas/mayfly/internal/awserr"

// The errors of API Gateway's control plane. Their messages are AWS's where
// those are known.

// BadRequest is a request that says what cannot be.
func BadRequest(format string, args ...any) error {
	return awserr.New(400, "BadRequestException", format, args...)
}

// NotFound is a request about what is not there.
func NotFound(format string, args ...any) error {
	return awserr.New(404, "NotFoundException", format, args...)
}

// Conflict is a request that what is there stands against.
func Conflict(format string, args ...any) error {
	return awserr.New(409, "ConflictException", format, args...)
}

// find is the part of a map that id names.
func find[T any](parts map[string]*T, what, id string) (*T, error) {
	if p := parts[id]; p != nil {
		return p, nil
	}
	return nil, NotFound("Invalid %s identifier specified %s", what, id)
}
