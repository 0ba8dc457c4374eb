package function

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// An Edit is what a caller wants of a version's settings; nil leaves a member
// as it is, or at its default on a new function.
type Edit struct {
	Description, Role, Runtime, Handler *string
	Timeout, Memory, Tmp                *int32
	Env                                 *map[string]string
	DeadLetter, KMSKey, Tracing         *string
	SnapStart                           *string
	Log                                 *LogEdit
	Layers                              *[]string
	VPC                                 *VPC
	FileSystems                         int  // how many are asked for
	Image                               bool // an image's configuration is asked for
}

// A LogEdit is an Edit of a Log.
type LogEdit struct{ Format, AppLevel, SystemLevel, Group *string }

// defaults are the settings of a new function before its caller's Edit.
func defaults(name string) Settings {
	return Settings{
		Package: "Zip", Arch: "x86_64", Timeout: 3, Memory: 128, Tmp: 512, Tracing: "PassThrough", SnapStart: "None",
		Log: Log{Format: "Text", Group: "/aws/lambda/" + name},
	}
}

// edit returns s as e wants it, or says why that cannot be.
func (r *Registry) edit(ctx context.Context, s Settings, e Edit) (Settings, error) {
	if err := e.check(s.Package); err != nil {
		return s, err
	}
	if e.Layers != nil {
		refs, err := r.resolveLayers(ctx, *e.Layers)
		if err != nil {
			return s, err
		}
		s.Layers = refs
	}
	set(&s.Description, e.Description)
	set(&s.Role, e.Role)
	set(&s.Runtime, e.Runtime)
	set(&s.Handler, e.Handler)
	set(&s.Timeout, e.Timeout)
	set(&s.Memory, e.Memory)
	set(&s.Tmp, e.Tmp)
	set(&s.DeadLetter, e.DeadLetter)
	set(&s.KMSKey, e.KMSKey)
	set(&s.Tracing, e.Tracing)
	set(&s.SnapStart, e.SnapStart)
	if e.Env != nil {
		s.Env = maps.Clone(*e.Env)
		if s.Env == nil {
			s.Env = map[string]string{}
		}
	}
	if e.VPC != nil {
		s.VPC = e.VPC
	}
	if e.Log != nil {
		l, err := e.Log.apply(s.Log)
		if err != nil {
			return s, err
		}
		s.Log = l
	}
	if s.SnapStart == "PublishedVersions" && !snapStarts(s.Runtime) {
		return s, refuse(ErrInvalid, "%s is not supported for SnapStart enabled functions.", s.Runtime)
	}
	return s, nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// apply is l after the edit. JSON brings levels along, text has none.
func (e LogEdit) apply(l Log) (Log, error) {
	set(&l.Format, e.Format)
	set(&l.Group, e.Group)
	if l.Format != "JSON" {
		if e.AppLevel != nil || e.SystemLevel != nil {
			return l, refuse(ErrInvalid, "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.")
		}
		l.AppLevel, l.SystemLevel = "", ""
		return l, nil
	}
	if l.AppLevel == "" {
		l.AppLevel = "INFO"
	}
	if l.SystemLevel == "" {
		l.SystemLevel = "INFO"
	}
	set(&l.AppLevel, e.AppLevel)
	set(&l.SystemLevel, e.SystemLevel)
	return l, nil
}

// check holds an edit to the rules that need nothing but itself, in AWS's order.
func (e Edit) check(pkg string) error {
	if e.Env != nil {
		if err := checkEnv(*e.Env); err != nil {
			return err
		}
	}
	if e.Runtime != nil && pkg == "Zip" {
		if err := checkRuntime(*e.Runtime); err != nil {
			return err
		}
	}
	for _, limit := range []struct {
		name string
		have *int32
		most int32
	}{{"MemorySize", e.Memory, 10240}, {"Timeout", e.Timeout, 900}, {"EphemeralStorage", e.Tmp, 10240}} {
		// The model allows more, for functions on managed instances.
		if limit.have != nil && *limit.have > limit.most {
			return refuse(ErrInvalid, "'%s' value failed to satisfy constraint: Member must have value less than or equal to %d", limit.name, limit.most)
		}
	}
	if e.DeadLetter != nil && *e.DeadLetter != "" && !isService(*e.DeadLetter, "sqs", "sns") {
		return refuse(ErrInvalid, "The provided dead letter target %s is invalid: it must be the ARN of an SQS queue or an SNS topic.", *e.DeadLetter)
	}
	if e.VPC != nil && (len(e.VPC.Subnets) == 0) != (len(e.VPC.Groups) == 0) {
		return refuse(ErrInvalid, "SubnetIds and SecurityIds must coexist or be both empty list.")
	}
	if e.FileSystems > 0 {
		return refuse(ErrInvalid, "FileSystemConfigs is not supported: there are no file systems to mount.")
	}
	if e.Image && pkg == "Zip" {
		return refuse(ErrInvalid, "ImageConfig is only supported for functions with packageType Image.")
	}
	return nil
}

// isService tells whether an ARN is of one of these services.
func isService(arn string, services ...string) bool {
	p := strings.SplitN(arn, ":", 6)
	return len(p) == 6 && p[0] == "arn" && slices.Contains(services, p[2])
}

const maxEnv = 4096

// reservedEnv are the variables that belong to the platform.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
var reservedEnv = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
	"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN",
}

func checkEnv(env map[string]string) error {
	var measured bytes.Buffer
	enc := json.NewEncoder(&measured)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(env); err != nil {
		return err
	}
	text := strings.TrimSuffix(measured.String(), "\n")
	if len(text) > maxEnv {
		return refuse(ErrInvalid, "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", text)
	}
	var taken []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if slices.Contains(reservedEnv, k) {
			taken = append(taken, k)
		}
	}
	if len(taken) > 0 {
		return refuse(ErrInvalid, "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(taken, ", "))
	}
	return nil
}
