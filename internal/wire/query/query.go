// Package query speaks the query protocol.
package query
