package meter

import (
	"context"
	"fmt"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// provisionedUnit is what the time of provisioned concurrency is rounded up to.
// https://aws.amazon.com/lambda/pricing/
const provisionedUnit = 5 * time.Minute

// An Allocation is provisioned concurrency that was, or still is, enabled.
type Allocation struct {
	Function  string // ARN, unqualified
	Version   string // version or alias that it is configured for
	Arch      string // "x86_64", "arm64"
	MemoryMB  int
	Sandboxes int       // how many are kept ready
	Since     time.Time // when it was enabled
	Until     time.Time // when it was disabled; while it is enabled, now
}

// AddProvisioned stores that a was enabled until a.Until at least. Function,
// version and Since name the allocation: telling of it again, with a later
// Until, prolongs it and counts nothing twice, so call it when it is disabled
// and now and then before. Another number of sandboxes is another allocation,
// which begins where the old one is ended.
func (m *Meter) AddProvisioned(ctx context.Context, a Allocation) error {
	switch {
	case a.Function == "" || a.Since.IsZero() || a.Until.Before(a.Since):
		return fmt.Errorf("meter: an allocation of %q is from %v to %v", a.Function, a.Since, a.Until)
	case a.Arch != X86 && a.Arch != ARM:
		return fmt.Errorf("meter: an allocation of %s has the architecture %q", a.Function, a.Arch)
	case a.MemoryMB <= 0 || a.Sandboxes <= 0:
		return fmt.Errorf("meter: an allocation of %s has %d sandboxes of %d MB", a.Function, a.Sandboxes, a.MemoryMB)
	}
	err := m.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`INSERT INTO meter_provisioned (function, version, since_ms, arch, memory, sandboxes, until_ms)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (function, version, since_ms) DO UPDATE SET until_ms = excluded.until_ms
			WHERE excluded.until_ms > meter_provisioned.until_ms`,
			a.Function, a.Version, a.Since.UnixMilli(), a.Arch, a.MemoryMB, a.Sandboxes, a.Until.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("meter: add provisioned: %w", err)
	}
	return nil
}

// share is the part of an allocation that falls on one day.
type share struct {
	day      int64
	function string
	arch     string
	mbms     int64 // megabytes times milliseconds, over all sandboxes
}

// shares cuts an allocation, rounded up, at the ends of days.
func shares(function, arch string, sandboxes, memory, sinceMS, untilMS int64) []share {
	unit := provisionedUnit.Milliseconds()
	units := max(1, (untilMS-sinceMS+unit-1)/unit)
	end := sinceMS + units*unit
	var all []share
	for at := sinceMS; at < end; {
		day := dayOf(time.UnixMilli(at))
		next := min(end, (day+1)*daySeconds*1000)
		all = append(all, share{day, function, arch, (next - at) * sandboxes * memory})
		at = next
	}
	return all
}
