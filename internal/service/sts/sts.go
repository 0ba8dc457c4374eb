// Package sts is the STS API.
package sts
