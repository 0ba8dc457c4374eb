package lambda

import (
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
)

// stampForm is how Lambda writes most of its times.
const stampForm = "2006-01-02T15:04:05.000-0700"

func stamp(t time.Time) *string { return new(t.UTC().Format(stampForm)) }

// some is nil for "".
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// configuration shows a version under the ARN that the caller used for it.
func (s *service) configuration(v *function.Version, qualifier string) *FunctionConfiguration {
	c := &FunctionConfiguration{
		Architectures:              []string{v.Arch},
		CodeSha256:                 new(v.Code.Digest()),
		CodeSize:                   new(v.Code.Size),
		Description:                new(v.Description),
		EphemeralStorage:           &EphemeralStorage{Size: new(v.Tmp)},
		FunctionArn:                new(s.fs.ARN(v.Function, qualifier)),
		FunctionName:               new(v.Function),
		Handler:                    some(v.Handler),
		KMSKeyArn:                  some(v.KMSKey),
		LastModified:               stamp(v.Modified),
		LastUpdateStatus:           some(v.Update),
		LastUpdateStatusReason:     some(v.UpdateReason),
		LastUpdateStatusReasonCode: some(v.UpdateCode),
		LoggingConfig:              logging(v.Log),
		MemorySize:                 new(v.Memory),
		PackageType:                new(v.Package),
		RevisionId:                 new(v.Revision),
		Role:                       new(v.Role),
		Runtime:                    some(v.Runtime),
		SnapStart:                  snapStart(v),
		State:                      new(v.State),
		StateReason:                some(v.StateReason),
		StateReasonCode:            some(v.StateCode),
		Timeout:                    new(v.Timeout),
		TracingConfig:              &TracingConfigResponse{Mode: new(v.Tracing)},
		Version:                    new(v.Qualifier()),
		VpcConfig:                  network(v.VPC),
	}
	if v.Package == "Zip" {
		c.RuntimeVersionConfig = &RuntimeVersionConfig{RuntimeVersionArn: new(s.fs.RuntimeVersionARN(v.Runtime))}
	}
	if v.DeadLetter != "" {
		c.DeadLetterConfig = &DeadLetterConfig{TargetArn: new(v.DeadLetter)}
	}
	if v.Env != nil {
		c.Environment = &EnvironmentResponse{Variables: v.Env}
	}
	for _, l := range v.Layers {
		c.Layers = append(c.Layers, &Layer{Arn: new(l.ARN), CodeSize: new(l.CodeSize)})
	}
	return c
}

// listed is a version as lists show it: without its state.
func (s *service) listed(v *function.Version, qualifier string) *FunctionConfiguration {
	c := s.configuration(v, qualifier)
	c.State, c.StateReason, c.StateReasonCode = nil, nil, nil
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = nil, nil, nil
	c.RuntimeVersionConfig = nil
	return c
}

func logging(l function.Log) *LoggingConfig {
	return &LoggingConfig{
		LogFormat: new(l.Format), LogGroup: new(l.Group),
		ApplicationLogLevel: some(l.AppLevel), SystemLogLevel: some(l.SystemLevel),
	}
}

// snapStart shows what was asked for. No snapshot is ever taken: it is never on.
func snapStart(v *function.Version) *SnapStartResponse {
	return &SnapStartResponse{ApplyOn: new(v.SnapStart), OptimizationStatus: new("Off")}
}

func network(v *function.VPC) *VpcConfigResponse {
	if v == nil {
		return nil
	}
	return &VpcConfigResponse{
		SubnetIds: list(v.Subnets), SecurityGroupIds: list(v.Groups),
		VpcId: new(""), Ipv6AllowedForDualStack: new(v.IPv6),
	}
}

// list is a list that is sent even when empty.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// page reads the paging members that lists share.
func page(marker *string, most *int32) function.Page {
	p := function.Page{Marker: text(marker)}
	if most != nil {
		p.Max = *most
	}
	return p
}
