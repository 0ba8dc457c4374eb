package apigateway

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) partOps() []wire.Op {
	return []wire.Op{
		handle("CreateAuthorizer", c.createAuthorizer),
		handle("GetAuthorizer", c.getAuthorizer),
		handle("GetAuthorizers", c.getAuthorizers),
		handle("UpdateAuthorizer", c.updateAuthorizer),
		handle("DeleteAuthorizer", c.deleteAuthorizer),
		handle("CreateRequestValidator", c.createValidator),
		handle("GetRequestValidator", c.getValidator),
		handle("GetRequestValidators", c.getValidators),
		handle("UpdateRequestValidator", c.updateValidator),
		handle("DeleteRequestValidator", c.deleteValidator),
		handle("PutGatewayResponse", c.putResponse),
		handle("GetGatewayResponse", c.getResponse),
		handle("GetGatewayResponses", c.getResponses),
		handle("UpdateGatewayResponse", c.updateResponse),
		handle("DeleteGatewayResponse", c.deleteResponse),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html
func (c *control) createAuthorizer(ctx context.Context, in *CreateAuthorizerRequest) (*Authorizer, error) {
	a, err := read[restapi.Authorizer](in)
	if err != nil {
		return nil, err
	}
	return shown[Authorizer](c.CreateAuthorizer(ctx, *in.RestApiId, a))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetAuthorizer.html
func (c *control) getAuthorizer(ctx context.Context, in *GetAuthorizerRequest) (*Authorizer, error) {
	return shown[Authorizer](c.Authorizer(ctx, *in.RestApiId, *in.AuthorizerId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetAuthorizers.html
func (c *control) getAuthorizers(ctx context.Context, in *GetAuthorizersRequest) (*Authorizers, error) {
	as, err := c.Authorizers(ctx, *in.RestApiId)
	p, err := paged[Authorizer](as, err, in.Limit, in.Position, func(a *restapi.Authorizer) string { return a.ID })
	return &Authorizers{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateAuthorizer.html
func (c *control) updateAuthorizer(ctx context.Context, in *UpdateAuthorizerRequest) (*Authorizer, error) {
	return shown[Authorizer](c.UpdateAuthorizer(ctx, *in.RestApiId, *in.AuthorizerId, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteAuthorizer.html
func (c *control) deleteAuthorizer(ctx context.Context, in *DeleteAuthorizerRequest) (*none, error) {
	return done(c.DeleteAuthorizer(ctx, *in.RestApiId, *in.AuthorizerId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateRequestValidator.html
func (c *control) createValidator(ctx context.Context, in *CreateRequestValidatorRequest) (*RequestValidator, error) {
	v, err := read[restapi.Validator](in)
	if err != nil {
		return nil, err
	}
	return shown[RequestValidator](c.CreateValidator(ctx, *in.RestApiId, v))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRequestValidator.html
func (c *control) getValidator(ctx context.Context, in *GetRequestValidatorRequest) (*RequestValidator, error) {
	return shown[RequestValidator](c.Validator(ctx, *in.RestApiId, *in.RequestValidatorId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetRequestValidators.html
func (c *control) getValidators(ctx context.Context, in *GetRequestValidatorsRequest) (*RequestValidators, error) {
	vs, err := c.Validators(ctx, *in.RestApiId)
	p, err := paged[RequestValidator](vs, err, in.Limit, in.Position, func(v *restapi.Validator) string { return v.ID })
	return &RequestValidators{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateRequestValidator.html
func (c *control) updateValidator(ctx context.Context, in *UpdateRequestValidatorRequest) (*RequestValidator, error) {
	return shown[RequestValidator](c.UpdateValidator(ctx, *in.RestApiId, *in.RequestValidatorId, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteRequestValidator.html
func (c *control) deleteValidator(ctx context.Context, in *DeleteRequestValidatorRequest) (*none, error) {
	return done(c.DeleteValidator(ctx, *in.RestApiId, *in.RequestValidatorId))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_PutGatewayResponse.html
func (c *control) putResponse(ctx context.Context, in *PutGatewayResponseRequest) (*GatewayResponse, error) {
	r, err := read[restapi.GatewayResponse](in)
	if err != nil {
		return nil, err
	}
	r.Type = *in.ResponseType
	return shown[GatewayResponse](c.PutGatewayResponse(ctx, *in.RestApiId, r))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetGatewayResponse.html
func (c *control) getResponse(ctx context.Context, in *GetGatewayResponseRequest) (*GatewayResponse, error) {
	return shown[GatewayResponse](c.GatewayResponse(ctx, *in.RestApiId, *in.ResponseType))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetGatewayResponses.html
func (c *control) getResponses(ctx context.Context, in *GetGatewayResponsesRequest) (*GatewayResponses, error) {
	rs, err := c.GatewayResponses(ctx, *in.RestApiId)
	p, err := paged[GatewayResponse](rs, err, in.Limit, in.Position, func(r *restapi.GatewayResponse) string { return r.Type })
	return &GatewayResponses{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateGatewayResponse.html
func (c *control) updateResponse(ctx context.Context, in *UpdateGatewayResponseRequest) (*GatewayResponse, error) {
	return shown[GatewayResponse](c.UpdateGatewayResponse(ctx, *in.RestApiId, *in.ResponseType, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteGatewayResponse.html
func (c *control) deleteResponse(ctx context.Context, in *DeleteGatewayResponseRequest) (*none, error) {
	return done(c.DeleteGatewayResponse(ctx, *in.RestApiId, *in.ResponseType))
}
