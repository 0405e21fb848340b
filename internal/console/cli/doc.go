// Package cli is the operator's command line of `masugata`: it asks the REST
// API of a running control plane and prints what it answers as a table, JSON,
// YAML or CSV. It knows the API's paths and which columns people want to see;
// it links neither the stores nor the control role. cmd/masugata hangs its
// commands beside serve and lab.
package cli
