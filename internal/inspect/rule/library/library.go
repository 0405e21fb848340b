// Package library holds what some keywords need and small programs cannot
// carry: the table of public suffixes, decompressors, and a JSON reader. It
// knows nothing of rules. Programs that can afford them hand its functions to
// the rule compiler (payload.Library).
package library

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"slices"

	"golang.org/x/net/publicsuffix"
)

// PublicSuffix gives the public suffix of a lower-case domain name ("co.uk" of
// "www.example.co.uk").
func PublicSuffix(name string) string {
	suffix, _ := publicsuffix.PublicSuffix(name)
	return suffix
}

// JSON reads one JSON value into maps, slices and plain values.
func JSON(text []byte) (v any, err error) {
	err = json.Unmarshal(text, &v)
	return v, err
}

// source is the memory of an unpacker.
type source struct {
	bytes  bytes.Reader
	buffer *bufio.Reader
}

func (s *source) of(in []byte) *bufio.Reader {
	s.bytes.Reset(in)
	if s.buffer == nil {
		s.buffer = bufio.NewReaderSize(&s.bytes, 512)
	}
	s.buffer.Reset(&s.bytes)
	return s.buffer
}

// Gunzip makes a function that appends to dst what a gzip file (RFC 1952) in
// src holds, at most limit bytes, also those before an error. It is for one
// goroutine and keeps its memory from call to call.
func Gunzip() func(dst, src []byte, limit int) []byte {
	var from source
	var r *gzip.Reader
	return func(dst, src []byte, limit int) []byte {
		var err error
		if r == nil {
			r, err = gzip.NewReader(from.of(src))
		} else {
			err = r.Reset(from.of(src))
		}
		if err != nil {
			return dst
		}
		return drain(dst, r, limit)
	}
}

// Inflate is Gunzip for the zlib format (RFC 1950).
func Inflate() func(dst, src []byte, limit int) []byte {
	var from source
	var r io.ReadCloser
	return func(dst, src []byte, limit int) []byte {
		var err error
		if r == nil {
			r, err = zlib.NewReader(from.of(src))
		} else {
			err = r.(zlib.Resetter).Reset(from.of(src), nil)
		}
		if err != nil {
			return dst
		}
		return drain(dst, r, limit)
	}
}

// drain appends at most limit bytes of r, also those before an error.
func drain(dst []byte, r io.Reader, limit int) []byte {
	const atOnce = 4096
	begin := len(dst)
	for len(dst)-begin < limit {
		left := limit - (len(dst) - begin)
		dst = slices.Grow(dst, min(left, atOnce))
		n, err := r.Read(dst[len(dst):min(cap(dst), len(dst)+left)])
		if dst = dst[:len(dst)+n]; err != nil {
			break
		}
	}
	return dst
}
