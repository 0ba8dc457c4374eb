package disk

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// space says of a file that could not be written for want of room what it means here.
func space(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w", object.ErrFull, err)
	}
	return err
}
