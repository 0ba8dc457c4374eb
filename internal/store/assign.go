package store

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"time"
)

// bind turns the arguments of a statement into the few kinds that both
// databases take: int64, float64, string, []byte, nil.
func bind(args []any) ([]driver.NamedValue, error) {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := bindOne(a)
		if err != nil {
			return nil, fmt.Errorf("store: argument %d: %w", i+1, err)
		}
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return out, nil
}

func bindOne(a any) (driver.Value, error) {
	switch a := a.(type) {
	case int64, string, nil:
		return a, nil
	case int:
		return int64(a), nil
	case time.Time:
		return nil, fmt.Errorf("a time has no column type: keep it as an integer")
	}
	v, err := driver.DefaultParameterConverter.ConvertValue(a)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case time.Time:
		return nil, fmt.Errorf("a time has no column type: keep it as an integer")
	case []byte:
		if v == nil {
			return nil, nil
		}
	}
	return v, nil
}

// assignAll fills dest from the columns of a row.
func assignAll(dest []any, row []driver.Value) error {
	if len(dest) != len(row) {
		return fmt.Errorf("store: the row has %d columns, and %d are asked for", len(row), len(dest))
	}
	for i := range dest {
		if err := assign(dest[i], row[i]); err != nil {
			return fmt.Errorf("store: column %d: %w", i+1, err)
		}
	}
	return nil
}

// assign stores v, an int64, float64, string, []byte or nil, where dest points.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *string:
		switch v := v.(type) {
		case string:
			*d = v
			return nil
		case []byte:
			*d = string(v)
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *[]byte:
		switch v := v.(type) {
		case []byte:
			*d = v
			if v == nil { // an empty BLOB is not NULL
				*d = []byte{}
			}
			return nil
		case string:
			*d = []byte(v)
			return nil
		case nil:
			*d = nil
			return nil
		}
	case *any:
		*d = v
		return nil
	case sql.Scanner:
		return d.Scan(v)
	}
	return assignKind(reflect.ValueOf(dest), v)
}

func assignKind(p reflect.Value, v driver.Value) error {
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("a destination is a %v, want a pointer", p.Kind())
	}
	d := p.Elem()
	if d.Kind() == reflect.Pointer { // a pointer to a pointer takes NULL as nil
		if v == nil {
			d.SetZero()
			return nil
		}
		n := reflect.New(d.Type().Elem())
		if err := assign(n.Interface(), v); err != nil {
			return err
		}
		d.Set(n)
		return nil
	}
	switch v := v.(type) {
	case int64:
		return assignInt(d, v)
	case float64:
		return assignFloat(d, v)
	case string:
		return assignBytes(d, v, []byte(nil))
	case []byte:
		return assignBytes(d, string(v), v)
	case nil:
		if isBytes(d) {
			d.SetZero()
			return nil
		}
		return fmt.Errorf("NULL does not fit a %v", d.Type())
	}
	return fmt.Errorf("a %T does not fit a %v", v, d.Type())
}

func assignInt(d reflect.Value, n int64) error {
	switch {
	case d.CanInt():
		if !d.OverflowInt(n) {
			d.SetInt(n)
			return nil
		}
	case d.CanUint():
		if n >= 0 && !d.OverflowUint(uint64(n)) {
			d.SetUint(uint64(n))
			return nil
		}
	case d.CanFloat():
		d.SetFloat(float64(n))
		return nil
	case d.Kind() == reflect.Bool:
		if n == 0 || n == 1 {
			d.SetBool(n == 1)
			return nil
		}
	}
	return fmt.Errorf("%d does not fit a %v", n, d.Type())
}

func assignFloat(d reflect.Value, f float64) error {
	switch {
	case d.CanFloat():
		d.SetFloat(f)
		return nil
	case d.CanInt() && f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return assignInt(d, int64(f))
	}
	return fmt.Errorf("%v does not fit a %v", f, d.Type())
}

func assignBytes(d reflect.Value, s string, b []byte) error {
	switch {
	case d.Kind() == reflect.String:
		d.SetString(s)
		return nil
	case isBytes(d):
		if b == nil {
			b = []byte(s)
		}
		d.SetBytes(b)
		return nil
	}
	return fmt.Errorf("a text does not fit a %v", d.Type())
}

func isBytes(d reflect.Value) bool {
	return d.Kind() == reflect.Slice && d.Type().Elem().Kind() == reflect.Uint8
}
