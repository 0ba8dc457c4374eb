package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) concurrencyOps() []wire.Op {
	return []wire.Op{
		op("PutFunctionConcurrency", s.putFunctionConcurrency),
		op("GetFunctionConcurrency", s.getFunctionConcurrency),
		op("DeleteFunctionConcurrency", s.deleteFunctionConcurrency),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html
func (s *service) putFunctionConcurrency(ctx context.Context, in *PutFunctionConcurrencyRequest) (*Concurrency, error) {
	err := s.fs.Reserve(ctx, text(in.FunctionName), *in.ReservedConcurrentExecutions)
	if err != nil {
		return nil, err
	}
	return &Concurrency{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConcurrency.html
func (s *service) getFunctionConcurrency(ctx context.Context, in *GetFunctionConcurrencyRequest) (*GetFunctionConcurrencyResponse, error) {
	n, err := s.fs.Reserved(ctx, text(in.FunctionName))
	if err != nil {
		return nil, err
	}
	return &GetFunctionConcurrencyResponse{ReservedConcurrentExecutions: n}, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionConcurrency.html
func (s *service) deleteFunctionConcurrency(ctx context.Context, in *DeleteFunctionConcurrencyRequest) (*DeleteFunctionConcurrencyResponse, error) {
	return &DeleteFunctionConcurrencyResponse{}, s.fs.Unreserve(ctx, text(in.FunctionName))
}
