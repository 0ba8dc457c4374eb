// Package function knows what a function is: its code, configuration, versions,
// aliases, layers, policies. It turns a name into a unit, runs it and meters it.
package function
