package function

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// minUnreserved is what must stay for the functions without a reservation.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
const minUnreserved = 100

func errWholeFunction() error {
	return refuse(ErrInvalid, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
}

// whole reads a name that must not be qualified.
func (r *Registry) whole(name string) (string, error) {
	ref, err := r.Ref(name, "")
	if err == nil && ref.Qualifier != "" {
		return "", errWholeFunction()
	}
	return ref.Name, err
}

// Reserve sets a function's own concurrency; it is the most it gets, too.
func (r *Registry) Reserve(ctx context.Context, name string, n int32) error {
	name, err := r.whole(name)
	if err != nil {
		return err
	}
	err = r.change(ctx, name, errNoFunction(r.ARN(name, Latest)), func(c *change) error { // qualified, on AWS, too
		taken, err := r.taken(c.Tx, name)
		if err != nil {
			return err
		}
		if n > 0 && r.limit-taken-int(n) < minUnreserved {
			return refuse(ErrInvalid, "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
		}
		sum, err := provisionedSum(c.Tx, name, "")
		if err != nil {
			return err
		}
		if sum > n {
			return refuse(ErrInvalid, " ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", n, sum)
		}
		c.rec.Reserved = &n
		return c.save()
	})
	if err != nil {
		return err
	}
	return r.tellReserved(ctx, name)
}

// tellReserved tells the engine what is stored of a function's own concurrency.
// One at a time: of two changes, the engine must not hear of the later one first.
func (r *Registry) tellReserved(ctx context.Context, name string) error {
	r.reserveMu.Lock()
	defer r.reserveMu.Unlock()
	rec, err := r.record(context.WithoutCancel(ctx), name) // it is committed, whoever has gone
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return fmt.Errorf("reserve for %s: %w", name, err)
	case rec.Reserved == nil: // or the function is gone
		r.engine.Unreserve(r.ARN(name, ""))
	default:
		r.engine.Reserve(r.ARN(name, ""), int(*rec.Reserved))
	}
	return nil
}

// Unreserve gives a function's own concurrency back.
func (r *Registry) Unreserve(ctx context.Context, name string) error {
	name, err := r.whole(name)
	if err != nil {
		return err
	}
	err = r.change(ctx, name, errNoFunction(r.ARN(name, "")), func(c *change) error {
		c.rec.Reserved = nil
		return c.save()
	})
	if err != nil {
		return err
	}
	return r.tellReserved(ctx, name)
}

// Reserved answers a function's own concurrency; nil for none.
func (r *Registry) Reserved(ctx context.Context, name string) (*int32, error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, err
	}
	rec, err := r.record(ctx, ref.Name)
	return rec.Reserved, err
}

// taken is the account's concurrency that functions other than name have for
// themselves: reserved, or provisioned without a reservation to take it from.
func (r *Registry) taken(tx store.Tx, name string) (int, error) {
	sum := 0
	err := tx.Each(`SELECT name, doc FROM functions WHERE name <> ?`, []any{name}, func(scan func(...any) error) error {
		var other, doc string
		if err := scan(&other, &doc); err != nil {
			return err
		}
		var rec record
		if err := decode(doc, &rec); err != nil {
			return err
		}
		if rec.Reserved != nil {
			sum += int(*rec.Reserved)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	more, err := provisionedUnreserved(tx, name)
	return sum + more, err
}

// provisionedUnreserved is what functions other than name have provisioned
// without a reservation.
func provisionedUnreserved(tx store.Tx, name string) (sum int, err error) {
	all, err := documents[Provisioned](tx, `SELECT doc FROM function_settings WHERE kind = ? AND name <> ?`, kindProvisioned, name)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		rec, err := readRecord(tx, p.Function)
		if err != nil {
			return 0, err
		}
		if rec.Reserved == nil {
			sum += int(p.Requested)
		}
	}
	return sum, nil
}

// reserveAll tells the engine, at start, what is reserved.
func (r *Registry) reserveAll(ctx context.Context) error {
	return r.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT name, doc FROM functions`, nil, func(scan func(...any) error) error {
			var name, doc string
			if err := scan(&name, &doc); err != nil {
				return err
			}
			var rec record
			if err := decode(doc, &rec); err != nil {
				return err
			}
			if rec.Reserved != nil {
				r.engine.Reserve(r.ARN(name, ""), int(*rec.Reserved))
			}
			return nil
		})
	})
}

// An Account is what the account may use, and uses.
type Account struct {
	Concurrency, Unreserved int
	CodeSize                int64
	Functions               int64
}

// Settings answers the account's limits and use.
func (r *Registry) Settings(ctx context.Context) (a Account, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		taken, err := r.taken(tx, "")
		if err != nil {
			return err
		}
		a.Concurrency, a.Unreserved = r.limit, max(0, r.limit-taken)
		if a.CodeSize, err = r.storage(tx); err != nil {
			return err
		}
		return tx.Get([]any{&a.Functions}, `SELECT COUNT(*) FROM functions`)
	})
	return a, err
}
