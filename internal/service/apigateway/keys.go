package apigateway

import (
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) keyOps() []wire.Op {
	return []wire.Op{
		handle("CreateApiKey", c.createKey),
		handle("ImportApiKeys", c.importKeys),
		handle("GetApiKey", c.getKey),
		handle("GetApiKeys", c.getKeys),
		handle("UpdateApiKey", c.updateKey),
		handle("DeleteApiKey", c.deleteKey),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateApiKey.html
func (c *control) createKey(ctx context.Context, in *CreateApiKeyRequest) (*ApiKey, error) {
	k := restapi.Key{
		Value: val(in.Value), Name: val(in.Name), CustomerID: val(in.CustomerId), Description: val(in.Description),
		Enabled: val(in.Enabled), Tags: in.Tags,
	}
	for _, s := range in.StageKeys {
		k.StageKeys = append(k.StageKeys, val(s.RestApiId)+"/"+val(s.StageName))
	}
	return shown[ApiKey](c.CreateKey(ctx, k))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_ImportApiKeys.html
func (c *control) importKeys(ctx context.Context, in *ImportApiKeysRequest) (*ApiKeyIds, error) {
	ids, warnings, err := c.ImportKeys(ctx, string(in.Body), val(in.FailOnWarnings))
	if err != nil {
		return nil, err
	}
	if ids == nil {
		ids = []string{}
	}
	return &ApiKeyIds{Ids: ids, Warnings: warnings}, nil
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKey.html
func (c *control) getKey(ctx context.Context, in *GetApiKeyRequest) (*ApiKey, error) {
	k, err := shown[ApiKey](c.Key(ctx, *in.ApiKey))
	if err == nil && !val(in.IncludeValue) {
		k.Value = nil
	}
	return k, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKeys.html
func (c *control) getKeys(ctx context.Context, in *GetApiKeysRequest) (*ApiKeys, error) {
	ks, err := c.Keys(ctx)
	ks = slices.DeleteFunc(ks, func(k *restapi.Key) bool {
		return !strings.HasPrefix(k.Name, val(in.NameQuery)) || in.CustomerId != nil && k.CustomerID != *in.CustomerId
	})
	p, err := paged[ApiKey](ks, err, in.Limit, in.Position, func(k *restapi.Key) string { return k.ID })
	for _, k := range p.items {
		if !val(in.IncludeValues) {
			k.Value = nil
		}
	}
	return &ApiKeys{Items: p.items, Position: p.position}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateApiKey.html
func (c *control) updateKey(ctx context.Context, in *UpdateApiKeyRequest) (*ApiKey, error) {
	k, err := shown[ApiKey](c.UpdateKey(ctx, *in.ApiKey, patches(in.PatchOperations)))
	if err == nil {
		k.Value = nil
	}
	return k, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteApiKey.html
func (c *control) deleteKey(ctx context.Context, in *DeleteApiKeyRequest) (*none, error) {
	return done(c.DeleteKey(ctx, *in.ApiKey))
}
