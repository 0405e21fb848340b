package server

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	linkv1 "github.com/masugata/masugata/api/link/v1"
	"github.com/masugata/masugata/internal/link/wire"
)

// binaryCodec is the codec of parts: protobuf bytes to wire messages without
// the generated types, so that a batch of events stays one slice of bytes.
type binaryCodec struct{}

// Name implements connect.Codec.
func (binaryCodec) Name() string { return "proto" }

// Marshal implements connect.Codec.
func (binaryCodec) Marshal(m any) ([]byte, error) {
	w, ok := m.(wire.Message)
	if !ok {
		return nil, fmt.Errorf("link codec: %T is not a link message", m)
	}
	return w.AppendTo(nil), nil
}

// Unmarshal implements connect.Codec. Connect reuses b, the message keeps
// slices of its own copy.
func (binaryCodec) Unmarshal(b []byte, m any) error {
	w, ok := m.(wire.Message)
	if !ok {
		return fmt.Errorf("link codec: %T is not a link message", m)
	}
	return w.Decode(slices.Clone(b))
}

// jsonCodec lets curl and browsers call with JSON, by way of the generated
// types.
type jsonCodec struct{ name string }

// Name implements connect.Codec.
func (c jsonCodec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (jsonCodec) Marshal(m any) ([]byte, error) {
	p := generated(m)
	if p == nil {
		return nil, fmt.Errorf("link codec: %T is not a link message", m)
	}
	if err := proto.Unmarshal(m.(wire.Message).AppendTo(nil), p); err != nil {
		return nil, err
	}
	return protojson.Marshal(p)
}

// Unmarshal implements connect.Codec.
func (jsonCodec) Unmarshal(b []byte, m any) error {
	p := generated(m)
	if p == nil {
		return fmt.Errorf("link codec: %T is not a link message", m)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, p); err != nil {
		return err
	}
	raw, err := proto.Marshal(p)
	if err != nil {
		return err
	}
	return m.(wire.Message).Decode(raw)
}

func generated(m any) proto.Message {
	switch m.(type) {
	case *wire.EnrollRequest:
		return new(linkv1.EnrollRequest)
	case *wire.EnrollResponse:
		return new(linkv1.EnrollResponse)
	case *wire.RenewRequest:
		return new(linkv1.RenewRequest)
	case *wire.RenewResponse:
		return new(linkv1.RenewResponse)
	case *wire.ReportRequest:
		return new(linkv1.ReportRequest)
	case *wire.ReportResponse:
		return new(linkv1.ReportResponse)
	case *wire.WatchRequest:
		return new(linkv1.WatchRequest)
	case *wire.WatchResponse:
		return new(linkv1.WatchResponse)
	case *wire.FetchRequest:
		return new(linkv1.FetchRequest)
	case *wire.FetchResponse:
		return new(linkv1.FetchResponse)
	}
	return nil
}
