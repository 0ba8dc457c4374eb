package kinesis

import (
	"errors"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// What the rooms of the book say; fault gives it AWS's words.
var errExists = errors.New("kinesis: there is a stream of that name")

// Errors of the service's model.
//
// https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html

func invalid(format string, args ...any) *awserr.Error {
	return awserr.New(400, "InvalidArgumentException", format, args...)
}

func validation(format string, args ...any) *awserr.Error {
	return awserr.New(400, "ValidationException", format, args...)
}

func notFound(format string, args ...any) *awserr.Error {
	return awserr.New(400, "ResourceNotFoundException", format, args...)
}

func inUse(format string, args ...any) *awserr.Error {
	return awserr.New(400, "ResourceInUseException", format, args...)
}

func overLimit(format string, args ...any) *awserr.Error {
	return awserr.New(400, "LimitExceededException", format, args...)
}

func throttled(format string, args ...any) *awserr.Error {
	return awserr.New(400, "ProvisionedThroughputExceededException", format, args...)
}

func (b *Book) noStream(name string) *awserr.Error {
	return notFound("Stream %s under account %s not found.", name, b.account)
}

func (b *Book) noShard(name, stream string) *awserr.Error {
	return notFound("Could not find shard %s in stream %s under account %s.", name, stream, b.account)
}

func (b *Book) notActive(st *stream, status string) *awserr.Error {
	return inUse("Stream %s under account %s not ACTIVE, instead in state %s", st.name, b.account, status)
}

func (b *Book) overRate(sh *shard) *awserr.Error {
	return throttled("Rate exceeded for shard %s in stream %s under account %s.", sh.name(), sh.stream.name, b.account)
}

// fault says an error of the book's about a stream in AWS's words.
func (b *Book) fault(err error, stream string) error {
	switch {
	case errors.Is(err, errNoStream):
		return b.noStream(stream)
	case errors.Is(err, errExists):
		return inUse("Stream %s under account %s already exists.", stream, b.account)
	}
	return err
}
