package sqs

import (
	"errors"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// Errors that the model knows have one code in JSON, behind its namespace, and
// may have another in the query protocol, which SDKs go on telling their users.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
const (
	modelled = "com.amazonaws.sqs#"
	common   = "com.amazon.coral.service#"
	legacy   = "AWS.SimpleQueueService."
)

func fail(status int, code, query, format string, args ...any) *awserr.Error {
	e := awserr.New(status, modelled+code, format, args...)
	e.Query = query
	return e
}

func invalid(format string, args ...any) *awserr.Error {
	e := awserr.New(400, common+"InvalidParameterValueException", format, args...)
	e.Query = "InvalidParameterValue"
	return e
}

// invalidValue says what is wrong with a parameter's value.
func invalidValue(value any, parameter, reason string) *awserr.Error {
	return invalid("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

func missingParameter(name string) *awserr.Error {
	e := awserr.New(400, common+"MissingRequiredParameterException", "The request must contain the parameter %s.", name)
	e.Query = "MissingParameter"
	return e
}

func noQueue() *awserr.Error {
	return fail(400, "QueueDoesNotExist", legacy+"NonExistentQueue", "The specified queue does not exist.")
}

func noResource(format string, args ...any) *awserr.Error {
	return fail(404, "ResourceNotFoundException", "ResourceNotFoundException", format, args...)
}

func invalidHandle(handle string) *awserr.Error {
	return fail(404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle \"%s\" is not a valid receipt handle.", handle)
}

func unknownAttribute(name string) *awserr.Error {
	return fail(400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
}

func invalidAttribute(name string) *awserr.Error {
	return fail(400, "InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

func unsupported(format string, args ...any) *awserr.Error {
	return fail(400, "UnsupportedOperation", legacy+"UnsupportedOperation", format, args...)
}

// fault says a room's error in AWS's words.
func fault(err error) error {
	switch {
	case errors.Is(err, errNoQueue):
		return noQueue()
	case errors.Is(err, errOverLimit):
		return fail(403, "OverLimit", "OverLimit", "Too many messages in flight")
	}
	return err
}
