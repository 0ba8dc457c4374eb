package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) aliasOps() []wire.Op {
	return []wire.Op{
		op("CreateAlias", s.createAlias),
		op("GetAlias", s.getAlias),
		op("UpdateAlias", s.updateAlias),
		op("ListAliases", s.listAliases),
		op("DeleteAlias", s.deleteAlias),
	}
}

func (s *service) alias(a *function.Alias) *AliasConfiguration {
	out := &AliasConfiguration{
		AliasArn: new(s.fs.ARN(a.Function, a.Name)), Name: new(a.Name), Description: new(a.Description),
		FunctionVersion: new(a.Version), RevisionId: new(a.Revision),
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out
}

func weights(r *AliasRoutingConfiguration) *map[string]float64 {
	if r == nil {
		return nil
	}
	return &r.AdditionalVersionWeights
}

// https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html
func (s *service) createAlias(ctx context.Context, in *CreateAliasRequest) (*AliasConfiguration, error) {
	a, err := s.fs.CreateAlias(ctx, text(in.FunctionName), text(in.Name), function.AliasEdit{
		Version: in.FunctionVersion, Description: in.Description, Weights: weights(in.RoutingConfig),
	})
	if err != nil {
		return nil, err
	}
	return s.alias(a), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetAlias.html
func (s *service) getAlias(ctx context.Context, in *GetAliasRequest) (*AliasConfiguration, error) {
	a, err := s.fs.Alias(ctx, text(in.FunctionName), text(in.Name))
	if err != nil {
		return nil, err
	}
	return s.alias(a), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
func (s *service) updateAlias(ctx context.Context, in *UpdateAliasRequest) (*AliasConfiguration, error) {
	a, err := s.fs.UpdateAlias(ctx, text(in.FunctionName), text(in.Name), function.AliasEdit{
		Version: in.FunctionVersion, Description: in.Description, Weights: weights(in.RoutingConfig), Revision: in.RevisionId,
	})
	if err != nil {
		return nil, err
	}
	return s.alias(a), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListAliases.html
func (s *service) listAliases(ctx context.Context, in *ListAliasesRequest) (*ListAliasesResponse, error) {
	all, next, err := s.fs.Aliases(ctx, text(in.FunctionName), text(in.FunctionVersion), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListAliasesResponse{Aliases: make([]*AliasConfiguration, len(all)), NextMarker: some(next)}
	for i, a := range all {
		out.Aliases[i] = s.alias(a)
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteAlias.html
func (s *service) deleteAlias(ctx context.Context, in *DeleteAliasRequest) (*DeleteAliasResponse, error) {
	return &DeleteAliasResponse{}, s.fs.DeleteAlias(ctx, text(in.FunctionName), text(in.Name))
}
