// Package code turns uploaded archives into directories that a sandbox can
// mount: checked, unpacked once, named by their content.
package code
