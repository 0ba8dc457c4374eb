// Package cbor speaks rpcv2Cbor.
package cbor
