package lambda

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/event/mapping"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// translate says in AWS's words what package function refused.
func translate(ctx context.Context, op string, err error) error {
	if t, ok := errors.AsType[*function.Throttled](err); ok {
		e := awserr.New(429, "TooManyRequestsException", "Rate Exceeded.")
		e.Members = map[string]any{"Reason": t.Reason}
		e.Header = map[string]string{"Retry-After": "1"}
		return e
	}
	refusal, ok := errors.AsType[*function.Refusal](err)
	if !ok {
		return err
	}
	if refusal.Kind == function.ErrForbidden {
		return awserr.New(403, "AccessDeniedException",
			"User: %s is not authorized to perform: lambda:%s on resource: %s because no resource-based policy allows the lambda:%s action",
			wire.CallerOf(ctx).ARN, action(op), refusal.Text, action(op))
	}
	status, code := codeOf(refusal.Kind)
	e := awserr.New(status, code, "%s", refusal.Text)
	e.Cause = err
	return e
}

// action is the name that policies have for an operation.
func action(op string) string {
	if op == "Invoke" {
		return "InvokeFunction"
	}
	return op
}

// codeOf is the status and the code that AWS has for a refusal.
func codeOf(kind error) (int, string) {
	switch kind {
	case function.ErrInvalid:
		return 400, "InvalidParameterValueException"
	case function.ErrValidation:
		return 400, "ValidationException"
	case function.ErrNotFound:
		return 404, "ResourceNotFoundException"
	case function.ErrConflict:
		return 409, "ResourceConflictException"
	case function.ErrPrecondition:
		return 412, "PreconditionFailedException"
	case function.ErrTooLarge:
		return 413, "RequestEntityTooLargeException"
	case function.ErrStorage:
		return 400, "CodeStorageExceededException"
	case function.ErrPolicyLength:
		return 400, "PolicyLengthExceededException"
	case function.ErrPublicPolicy:
		return 400, "PublicPolicyException"
	case function.ErrNoProvisioned:
		return 404, "ProvisionedConcurrencyConfigNotFoundException"
	case function.ErrNoCodeSigning:
		return 404, "CodeSigningConfigNotFoundException"
	case function.ErrContent:
		return 400, "InvalidRequestContentException"
	case mapping.ErrInUse:
		return 400, "ResourceInUseException"
	case function.ErrRecursive:
		return 400, "RecursiveInvocationException"
	case function.ErrRuntime:
		return 502, "InvalidRuntimeException"
	}
	return 500, "ServiceException"
}

// lowerCase are the errors whose message member is spelled so; the others say Message.
var lowerCase = []string{
	"AliasLimitExceededException", "CapacityProviderLimitExceededException", "CodeArtifactUserDeletedException",
	"CodeArtifactUserFailedException", "CodeArtifactUserPendingException", "CodeStorageExceededException",
	"FunctionVersionsPerCapacityProviderLimitExceededException", "InvalidParameterValueException",
	"InvalidRequestContentException", "ModeNotSupportedException", "PolicyLengthExceededException",
	"PreconditionFailedException", "ProvisionedConcurrencyConfigNotFoundException", "RequestTooLargeException",
	"ResourceConflictException", "ResourceNotReadyException", "SerializedRequestEntityTooLargeException",
	"TooManyRequestsException", "UnsupportedMediaTypeException",
}

// errorBody is an error as Lambda writes it.
func errorBody(e *awserr.Error) map[string]any {
	if e.Code == "ValidationException" { // made by AWS's front end, which knows no fault
		return map[string]any{"message": e.Message}
	}
	body := map[string]any{"Type": e.Fault.String()}
	if slices.Contains(lowerCase, e.Code) {
		body["message"] = e.Message
	} else {
		body["Message"] = e.Message
	}
	for k, v := range e.Members {
		body[k] = v
	}
	return body
}

// unsupported is the answer to a feature that is not there yet; instead says
// what to do meanwhile.
func unsupported(what string, instead ...string) error {
	text := "Mayfly does not support " + what + " yet."
	return awserr.New(400, "InvalidParameterValueException", "%s", strings.TrimSpace(text+" "+strings.Join(instead, " ")))
}
