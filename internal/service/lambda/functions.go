package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) functionOps() []wire.Op {
	return []wire.Op{
		op("CreateFunction", s.createFunction),
		op("GetFunction", s.getFunction),
		op("GetFunctionConfiguration", s.getFunctionConfiguration),
		op("UpdateFunctionConfiguration", s.updateFunctionConfiguration),
		op("UpdateFunctionCode", s.updateFunctionCode),
		op("ListFunctions", s.listFunctions),
		op("DeleteFunction", s.deleteFunction),
		op("GetAccountSettings", s.getAccountSettings),
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
func (s *service) createFunction(ctx context.Context, in *CreateFunctionRequest) (*FunctionConfiguration, error) {
	if err := createUnsupported(in); err != nil {
		return nil, err
	}
	v, err := s.fs.Create(ctx, function.New{
		Name: text(in.FunctionName), Arch: first(in.Architectures), Zip: in.Code.ZipFile,
		Object: object(in.Code.S3Bucket, in.Code.S3Key, in.Code.S3ObjectVersion), Edit: createEdit(in), Tags: in.Tags, Publish: in.Publish != nil && *in.Publish,
	})
	if err != nil {
		return nil, err
	}
	return s.configuration(v, ""), nil
}

// createUnsupported refuses what is not there yet rather than leave it out.
func createUnsupported(in *CreateFunctionRequest) error {
	for _, f := range []struct {
		asked         bool
		what, instead string
	}{
		{in.Code.ImageUri != nil || in.PackageType != nil && *in.PackageType == "Image", "container images", "Use the package type Zip."},
		{in.CodeSigningConfigArn != nil, "code signing", ""},
		{in.CapacityProviderConfig != nil || in.AcceleratorConfig != nil || in.PublishTo != nil, "capacity providers", ""},
		{in.DurableConfig != nil, "durable functions", ""},
		{in.TenancyConfig != nil, "tenant isolation", ""},
		{in.RuntimeConfig != nil, "runtime configurations", ""},
	} {
		if f.asked {
			return unsupported(f.what, f.instead)
		}
	}
	return nil
}

func createEdit(in *CreateFunctionRequest) function.Edit {
	return function.Edit{
		Description: in.Description, Role: in.Role, Runtime: in.Runtime, Handler: in.Handler,
		Timeout: in.Timeout, Memory: in.MemorySize, Tmp: storage(in.EphemeralStorage),
		Env: environment(in.Environment, false), DeadLetter: deadLetter(in.DeadLetterConfig), KMSKey: in.KMSKeyArn,
		Tracing: tracing(in.TracingConfig), SnapStart: applyOn(in.SnapStart), Log: logEdit(in.LoggingConfig),
		Layers: layers(in.Layers), VPC: vpc(in.VpcConfig), FileSystems: len(in.FileSystemConfigs), Image: in.ImageConfig != nil,
	}
}

// object is an archive in a bucket; nil when none was named.
func object(bucket, key, version *string) *function.Object {
	if bucket == nil && key == nil && version == nil {
		return nil
	}
	return &function.Object{Bucket: text(bucket), Key: text(key), Version: text(version)}
}

func first(l []string) *string {
	if len(l) == 0 {
		return nil
	}
	return &l[0]
}

func storage(e *EphemeralStorage) *int32 {
	if e == nil {
		return nil
	}
	return e.Size
}

// environment tells an environment without variables, which clears them on an
// update and says nothing on a new function.
func environment(e *Environment, update bool) *map[string]string {
	if e == nil || e.Variables == nil && !update {
		return nil
	}
	return &e.Variables
}

func deadLetter(d *DeadLetterConfig) *string {
	if d == nil {
		return nil
	}
	return new(text(d.TargetArn))
}

func tracing(t *TracingConfig) *string {
	if t == nil {
		return nil
	}
	return t.Mode
}

func applyOn(s *SnapStart) *string {
	if s == nil {
		return nil
	}
	return s.ApplyOn
}

func logEdit(l *LoggingConfig) *function.LogEdit {
	if l == nil {
		return nil
	}
	return &function.LogEdit{Format: l.LogFormat, AppLevel: l.ApplicationLogLevel, SystemLevel: l.SystemLogLevel, Group: l.LogGroup}
}

func layers(l []string) *[]string {
	if l == nil {
		return nil
	}
	return &l
}

func vpc(v *VpcConfig) *function.VPC {
	if v == nil {
		return nil
	}
	return &function.VPC{Subnets: v.SubnetIds, Groups: v.SecurityGroupIds, IPv6: v.Ipv6AllowedForDualStack != nil && *v.Ipv6AllowedForDualStack}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
func (s *service) getFunction(ctx context.Context, in *GetFunctionRequest) (*GetFunctionResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	f, err := s.fs.Describe(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := &GetFunctionResponse{
		Configuration: s.configuration(f.Version, ref.Qualifier),
		Code: &FunctionCodeLocation{
			RepositoryType: new("S3"),
			Location:       new(wire.BaseURL(ctx) + s.fs.Location(f.Version.Code.SHA256)),
		},
	}
	if len(f.Tags) > 0 {
		out.Tags = f.Tags
	}
	if f.Reserved != nil && ref.Qualifier == "" {
		out.Concurrency = &Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
func (s *service) getFunctionConfiguration(ctx context.Context, in *GetFunctionConfigurationRequest) (*FunctionConfiguration, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	v, err := s.fs.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.configuration(v, ref.Qualifier), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
func (s *service) updateFunctionConfiguration(ctx context.Context, in *UpdateFunctionConfigurationRequest) (*FunctionConfiguration, error) {
	switch {
	case in.CapacityProviderConfig != nil || in.AcceleratorConfig != nil:
		return nil, unsupported("capacity providers")
	case in.DurableConfig != nil:
		return nil, unsupported("durable functions")
	case in.RuntimeConfig != nil:
		return nil, unsupported("runtime configurations")
	}
	v, err := s.fs.Configure(ctx, text(in.FunctionName), function.Edit{
		Description: in.Description, Role: in.Role, Runtime: in.Runtime, Handler: in.Handler,
		Timeout: in.Timeout, Memory: in.MemorySize, Tmp: storage(in.EphemeralStorage),
		Env: environment(in.Environment, true), DeadLetter: deadLetter(in.DeadLetterConfig), KMSKey: in.KMSKeyArn,
		Tracing: tracing(in.TracingConfig), SnapStart: applyOn(in.SnapStart), Log: logEdit(in.LoggingConfig),
		Layers: layers(in.Layers), VPC: vpc(in.VpcConfig), FileSystems: len(in.FileSystemConfigs), Image: in.ImageConfig != nil,
	}, in.RevisionId)
	if err != nil {
		return nil, err
	}
	return s.configuration(v, ""), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html
func (s *service) updateFunctionCode(ctx context.Context, in *UpdateFunctionCodeRequest) (*FunctionConfiguration, error) {
	if in.PublishTo != nil {
		return nil, unsupported("capacity providers")
	}
	e := function.CodeEdit{Arch: first(in.Architectures), Zip: in.ZipFile, Revision: in.RevisionId, Publish: yes(in.Publish), DryRun: yes(in.DryRun)}
	e.Image, e.Object = in.ImageUri != nil, object(in.S3Bucket, in.S3Key, in.S3ObjectVersion)
	v, err := s.fs.UpdateCode(ctx, text(in.FunctionName), e)
	if err != nil {
		return nil, err
	}
	qualifier := ""
	if v.Number > 0 {
		qualifier = v.Qualifier()
	}
	return s.configuration(v, qualifier), nil
}

func yes(b *bool) bool { return b != nil && *b }

// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
func (s *service) listFunctions(ctx context.Context, in *ListFunctionsRequest) (*ListFunctionsResponse, error) {
	all := in.FunctionVersion != nil
	vs, next, err := s.fs.List(ctx, all, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &ListFunctionsResponse{Functions: make([]*FunctionConfiguration, len(vs)), NextMarker: some(next)}
	for i, v := range vs {
		qualifier := ""
		if all {
			qualifier = v.Qualifier()
		}
		out.Functions[i] = s.listed(v, qualifier)
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html
func (s *service) deleteFunction(ctx context.Context, in *DeleteFunctionRequest) (*DeleteFunctionResponse, error) {
	ref, err := s.fs.Ref(text(in.FunctionName), text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &DeleteFunctionResponse{}, s.fs.Delete(ctx, ref)
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
func (s *service) getAccountSettings(ctx context.Context, _ *GetAccountSettingsRequest) (*GetAccountSettingsResponse, error) {
	a, err := s.fs.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return &GetAccountSettingsResponse{
		AccountLimit: &AccountLimit{
			TotalCodeSize: new(int64(function.MaxStorage)), CodeSizeUnzipped: new(int64(function.MaxUnzipped)), CodeSizeZipped: new(int64(function.MaxZipped)),
			ConcurrentExecutions: new(int32(a.Concurrency)), UnreservedConcurrentExecutions: new(int32(a.Unreserved)),
		},
		AccountUsage: &AccountUsage{TotalCodeSize: new(a.CodeSize), FunctionCount: new(a.Functions)},
	}, nil
}
