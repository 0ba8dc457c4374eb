// Package restjson speaks restJson1.
package restjson
