// Package taxii knows the messages of TAXII 2.1 (OASIS standard, June 2021): what a
// server answers, what a client asks, and how pages follow each other. It does no
// I/O: the reputation service fetches and serves, and package feed reads the
// objects within.
package taxii
