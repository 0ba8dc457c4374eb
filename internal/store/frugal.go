package store

import (
	"database/sql/driver"
	"fmt"
)

// A frugal session refuses the statements that only take room, and leaves what
// room there is to those that may give some back.
type frugal struct{ session }

func (f frugal) exec(query string, args []driver.NamedValue) (int64, error) {
	if err := grows(query); err != nil {
		return 0, err
	}
	return f.session.exec(query, args)
}

func (f frugal) query(query string, args []driver.NamedValue, row func([]driver.Value) error) error {
	if err := grows(query); err != nil {
		return err
	}
	return f.session.query(query, args, row)
}

func grows(query string) error {
	switch v := verb(query); v {
	case "INSERT", "REPLACE", "WITH": // CREATE comes with every start
		return fmt.Errorf("%w: %s is refused until there is room", ErrFull, v)
	}
	return nil
}
