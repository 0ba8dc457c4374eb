package meter

import (
	"bytes"
	_ "embed" // the published prices are a file that can be copied and edited
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

//go:embed prices.json
var published []byte

// A PriceTable is what usage costs, by the month. DefaultPrices has the
// published one; its JSON is what LoadPrices reads.
type PriceTable struct {
	Currency           string     `json:"currency"` // "USD"
	Region             string     `json:"region"`   // whose prices these are; a label
	Source             string     `json:"source"`   // where they were read
	Date               string     `json:"date"`     // when, as 2026-11-23
	RequestsPerMillion Amount     `json:"requests_per_million"`
	X86                ArchPrices `json:"x86_64"`
	ARM                ArchPrices `json:"arm64"`
	StorageFreeMB      int        `json:"ephemeral_storage_free_mb"` // /tmp that costs nothing
	FreeTier           FreeTier   `json:"free_tier"`
}

// ArchPrices are the prices of one architecture, each for a GB-second.
type ArchPrices struct {
	Duration             []Tier `json:"duration"`
	ProvisionedAllocated Amount `json:"provisioned_allocated_per_gb_second"`
	ProvisionedDuration  Amount `json:"provisioned_duration_per_gb_second"`
	Storage              Amount `json:"ephemeral_storage_per_gb_second"`
}

// A Tier is the price of a month's GB-seconds up to a number of them, counted
// from the month's first. The last tier has no end.
type Tier struct {
	UpTo  *Amount `json:"up_to_gb_seconds,omitempty"`
	Price Amount  `json:"per_gb_second"`
}

// A FreeTier is what a month begins with, over all functions.
type FreeTier struct {
	Requests  int64  `json:"requests"`
	GBSeconds Amount `json:"gb_seconds"`
}

// DefaultPrices are the prices that AWS publishes for us-east-1.
func DefaultPrices() PriceTable {
	p, err := parsePrices(published)
	if err != nil {
		panic("meter: the embedded prices: " + err.Error()) // a test reads them
	}
	return p
}

// LoadPrices reads a price table from a JSON file. The error says what is
// wrong, and where.
func LoadPrices(path string) (PriceTable, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return PriceTable{}, fmt.Errorf("meter: load prices: %w", err)
	}
	p, err := parsePrices(b)
	if err != nil {
		return PriceTable{}, fmt.Errorf("meter: load prices from %s: %w", path, err)
	}
	return p, nil
}

func parsePrices(b []byte) (PriceTable, error) {
	var p PriceTable
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a misspelt price must not become 0
	if err := d.Decode(&p); err != nil {
		return PriceTable{}, near(b, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return PriceTable{}, errors.New("there is text after the table")
	}
	return p, p.Check()
}

// near adds the line of a mistake in the JSON, where it is known.
func near(b []byte, err error) error {
	e, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("near line %d: %w", 1+bytes.Count(b[:min(e.Offset, int64(len(b)))], []byte("\n")), err)
}

// Check tells what is wrong with the table, if anything: a price that is
// missing is one that is not above 0.
func (p PriceTable) Check() error {
	if p.Currency == "" {
		return errors.New("prices: currency is missing")
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		return fmt.Errorf("prices: date %q is not a date such as 2026-11-23", p.Date)
	}
	if p.RequestsPerMillion.Sign() < 0 || p.StorageFreeMB < 0 || p.FreeTier.Requests < 0 || p.FreeTier.GBSeconds.Sign() < 0 {
		return errors.New("prices: requests_per_million, ephemeral_storage_free_mb and free_tier must not be below 0")
	}
	if err := p.X86.check(); err != nil {
		return fmt.Errorf("prices: x86_64: %w", err)
	}
	if err := p.ARM.check(); err != nil {
		return fmt.Errorf("prices: arm64: %w", err)
	}
	return nil
}

func (a ArchPrices) check() error {
	if len(a.Duration) == 0 {
		return errors.New("duration has no tiers")
	}
	if a.ProvisionedAllocated.Sign() < 0 || a.ProvisionedDuration.Sign() < 0 || a.Storage.Sign() < 0 {
		return errors.New("a price is below 0")
	}
	var last Amount
	for i, t := range a.Duration {
		switch end := i == len(a.Duration)-1; {
		case t.Price.Sign() < 0:
			return fmt.Errorf("duration tier %d has a price below 0", i+1)
		case end && t.UpTo != nil:
			return errors.New("the last duration tier must not have up_to_gb_seconds: every use needs a price")
		case !end && t.UpTo == nil:
			return fmt.Errorf("duration tier %d has no up_to_gb_seconds, and others follow", i+1)
		case !end && t.UpTo.Minus(last).Sign() <= 0:
			return fmt.Errorf("duration tier %d ends at %s, not after the one before it", i+1, t.UpTo)
		case !end:
			last = *t.UpTo
		}
	}
	return nil
}

func (p PriceTable) arch(name string) ArchPrices {
	if name == ARM {
		return p.ARM
	}
	return p.X86
}

// cost answers what n GB-seconds cost when used GB-seconds of the month came
// before them.
func (a ArchPrices) cost(used, n Amount) Amount {
	var cost Amount
	for _, t := range a.Duration {
		part := n
		if t.UpTo != nil {
			room := t.UpTo.Minus(used)
			if room.Sign() <= 0 {
				continue
			}
			part = least(n, room)
		}
		cost = cost.Plus(part.Times(t.Price))
		used, n = used.Plus(part), n.Minus(part)
		if n.Sign() == 0 {
			break
		}
	}
	return cost
}

func least(a, b Amount) Amount {
	if a.Minus(b).Sign() < 0 {
		return a
	}
	return b
}
