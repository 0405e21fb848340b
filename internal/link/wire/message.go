package wire

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is a request or an answer of the link. The types below mirror
// api/link/v1 field by field; they exist so that agents need not link the
// protobuf runtime (1.7 MB). The tests hold them against the generated ones.
type Message interface {
	// AppendTo appends the message's bytes.
	AppendTo(b []byte) []byte
	// Decode reads the message; byte slices in it alias b.
	Decode(b []byte) error
}

// EnrollRequest asks for an identity.
type EnrollRequest struct {
	Token    string
	CSR      []byte
	Role     string
	Name     string
	Device   string
	Software string
}

// AppendTo implements Message.
func (m *EnrollRequest) AppendTo(b []byte) []byte {
	b = appendText(b, 1, m.Token, MaxShort)
	b = appendBytes(b, 2, m.CSR)
	b = appendText(b, 3, m.Role, MaxShort)
	b = appendText(b, 4, m.Name, MaxShort)
	b = appendText(b, 5, m.Device, MaxShort)
	return appendText(b, 6, m.Software, MaxShort)
}

// Decode implements Message.
func (m *EnrollRequest) Decode(b []byte) error {
	*m = EnrollRequest{}
	return decodeFields("EnrollRequest", b, func(f field) (err error) {
		switch f.num {
		case 1:
			m.Token, err = f.text(MaxShort)
		case 2:
			m.CSR, err = f.raw()
		case 3:
			m.Role, err = f.text(MaxShort)
		case 4:
			m.Name, err = f.text(MaxShort)
		case 5:
			m.Device, err = f.text(MaxShort)
		case 6:
			m.Software, err = f.text(MaxShort)
		}
		return err
	})
}

// EnrollResponse gives the identity.
type EnrollResponse struct {
	Part        string
	Certificate []byte // DER
	CA          []byte // DER
	SigningKey  string
	NotAfter    int64 // Unix seconds
}

// AppendTo implements Message.
func (m *EnrollResponse) AppendTo(b []byte) []byte {
	b = appendText(b, 1, m.Part, MaxShort)
	b = appendBytes(b, 2, m.Certificate)
	b = appendBytes(b, 3, m.CA)
	b = appendText(b, 4, m.SigningKey, MaxShort)
	return appendVarint(b, 5, uint64(m.NotAfter))
}

// Decode implements Message.
func (m *EnrollResponse) Decode(b []byte) error {
	*m = EnrollResponse{}
	return decodeFields("EnrollResponse", b, func(f field) (err error) {
		switch f.num {
		case 1:
			m.Part, err = f.text(MaxShort)
		case 2:
			m.Certificate, err = f.raw()
		case 3:
			m.CA, err = f.raw()
		case 4:
			m.SigningKey, err = f.text(MaxShort)
		case 5:
			m.NotAfter, err = f.int64()
		}
		return err
	})
}

// RenewRequest asks for a new certificate.
type RenewRequest struct{ CSR []byte }

// AppendTo implements Message.
func (m *RenewRequest) AppendTo(b []byte) []byte { return appendBytes(b, 1, m.CSR) }

// Decode implements Message.
func (m *RenewRequest) Decode(b []byte) error {
	*m = RenewRequest{}
	return decodeFields("RenewRequest", b, func(f field) (err error) {
		if f.num == 1 {
			m.CSR, err = f.raw()
		}
		return err
	})
}

// RenewResponse gives the new certificate.
type RenewResponse struct {
	Certificate []byte // DER
	CA          []byte // DER
	NotAfter    int64  // Unix seconds
}

// AppendTo implements Message.
func (m *RenewResponse) AppendTo(b []byte) []byte {
	b = appendBytes(b, 1, m.Certificate)
	b = appendBytes(b, 2, m.CA)
	return appendVarint(b, 3, uint64(m.NotAfter))
}

// Decode implements Message.
func (m *RenewResponse) Decode(b []byte) error {
	*m = RenewResponse{}
	return decodeFields("RenewResponse", b, func(f field) (err error) {
		switch f.num {
		case 1:
			m.Certificate, err = f.raw()
		case 2:
			m.CA, err = f.raw()
		case 3:
			m.NotAfter, err = f.int64()
		}
		return err
	})
}

// ReportRequest carries events and state.
type ReportRequest struct {
	Epoch uint64
	Seq   uint64
	Batch []byte // serialised EventBatch; nil when Zstd is set
	Zstd  []byte // the same, compressed
	State []byte // serialised PartState; nil for none
}

// AppendTo implements Message.
func (m *ReportRequest) AppendTo(b []byte) []byte {
	b = appendFixed(b, 1, int64(m.Epoch))
	b = appendVarint(b, 2, m.Seq)
	if m.Batch != nil {
		b = appendBytes(b, 3, m.Batch)
	}
	if m.Zstd != nil {
		b = appendBytes(b, 4, m.Zstd)
	}
	if m.State != nil {
		b = appendBytes(b, 5, m.State)
	}
	return b
}

// Decode implements Message.
func (m *ReportRequest) Decode(b []byte) error {
	*m = ReportRequest{}
	return decodeFields("ReportRequest", b, func(f field) (err error) {
		switch f.num {
		case 1:
			if f.typ != protowire.Fixed64Type {
				return errType
			}
			m.Epoch = f.val
		case 2:
			m.Seq, err = f.number(math.MaxInt64) // stores keep it signed
		case 3:
			m.Batch, err = f.raw()
		case 4:
			m.Zstd, err = f.raw()
		case 5:
			m.State, err = f.raw()
		}
		return err
	})
}

// ReportResponse acknowledges a batch.
type ReportResponse struct {
	Acked uint64
	Time  int64 // the control plane's clock, Unix nanoseconds
}

// AppendTo implements Message.
func (m *ReportResponse) AppendTo(b []byte) []byte {
	return appendVarint(appendVarint(b, 1, m.Acked), 2, uint64(m.Time))
}

// Decode implements Message.
func (m *ReportResponse) Decode(b []byte) error {
	*m = ReportResponse{}
	return decodeFields("ReportResponse", b, func(f field) (err error) {
		switch f.num {
		case 1:
			m.Acked, err = f.number(math.MaxUint64)
		case 2:
			m.Time, err = f.int64()
		}
		return err
	})
}

// WatchRequest waits for sets newer than those named.
type WatchRequest struct {
	Have        map[string]uint64
	WaitMs      uint32
	Differences []string // sets of which differences are taken
}

// AppendTo implements Message.
func (m *WatchRequest) AppendTo(b []byte) []byte {
	b = appendVarint(appendMap(b, 1, m.Have), 2, uint64(m.WaitMs))
	for _, name := range m.Differences {
		b = appendText(b, 3, name, MaxShort)
	}
	return b
}

// Decode implements Message.
func (m *WatchRequest) Decode(b []byte) error {
	*m = WatchRequest{}
	return decodeFields("WatchRequest", b, func(f field) error {
		switch f.num {
		case 1:
			return addPair(&m.Have, f)
		case 2:
			return setU32(&m.WaitMs, f)
		case 3:
			s, err := f.text(MaxShort)
			if err == nil && len(m.Differences) == MaxStateShort {
				err = fmt.Errorf("more than %d names of sets", MaxStateShort)
			}
			m.Differences = append(m.Differences, s)
			return err
		}
		return nil
	})
}

// SignedSet is a document that parts act on; see link.proto for the
// signature's form.
type SignedSet struct {
	Name    string
	Version uint64
	Payload []byte // empty when it must be fetched by its SHA-256
	Minisig string
	SHA256  []byte
	Size    uint64
	// What turns version Base into this one; see link.proto. Difference is
	// empty when it must be fetched by its SHA-256, and Base is 0 when there is
	// none.
	Base             uint64
	Difference       []byte
	DifferenceSHA256 []byte
	DifferenceSize   uint64
}

// AppendTo implements Message.
func (m *SignedSet) AppendTo(b []byte) []byte {
	b = appendText(b, 1, m.Name, MaxShort)
	b = appendVarint(b, 2, m.Version)
	if len(m.Payload) > 0 {
		b = appendBytes(b, 3, m.Payload)
	}
	b = appendText(b, 4, m.Minisig, MaxText)
	b = appendBytes(b, 5, m.SHA256)
	b = appendVarint(b, 6, m.Size)
	if m.Base == 0 {
		return b
	}
	b = appendVarint(b, 7, m.Base)
	if len(m.Difference) > 0 {
		b = appendBytes(b, 8, m.Difference)
	}
	b = appendBytes(b, 9, m.DifferenceSHA256)
	return appendVarint(b, 10, m.DifferenceSize)
}

// Decode implements Message.
func (m *SignedSet) Decode(b []byte) error {
	*m = SignedSet{}
	return decodeFields("SignedSet", b, func(f field) (err error) {
		switch f.num {
		case 1:
			m.Name, err = f.text(MaxShort)
		case 2:
			m.Version, err = f.number(math.MaxInt64)
		case 3:
			m.Payload, err = f.raw()
		case 4:
			m.Minisig, err = f.text(MaxText)
		case 5:
			m.SHA256, err = f.raw()
		case 6:
			m.Size, err = f.number(math.MaxInt64)
		case 7:
			m.Base, err = f.number(math.MaxInt64)
		case 8:
			m.Difference, err = f.raw()
		case 9:
			m.DifferenceSHA256, err = f.raw()
		case 10:
			m.DifferenceSize, err = f.number(math.MaxInt64)
		}
		return err
	})
}

// WatchResponse gives newer sets, or none when the wait is over.
type WatchResponse struct{ Sets []SignedSet }

// AppendTo implements Message.
func (m *WatchResponse) AppendTo(b []byte) []byte {
	for i := range m.Sets {
		b = appendNested(b, 1, m.Sets[i].AppendTo)
	}
	return b
}

// Decode implements Message.
func (m *WatchResponse) Decode(b []byte) error {
	*m = WatchResponse{}
	return decodeFields("WatchResponse", b, func(f field) error {
		if f.num != 1 {
			return nil
		}
		return addTo(&m.Sets, MaxStateShort, f, func(b []byte, s *SignedSet) error { return s.Decode(b) })
	})
}

// FetchRequest asks for content by its SHA-256.
type FetchRequest struct{ SHA256 []byte }

// AppendTo implements Message.
func (m *FetchRequest) AppendTo(b []byte) []byte { return appendBytes(b, 1, m.SHA256) }

// Decode implements Message.
func (m *FetchRequest) Decode(b []byte) error {
	*m = FetchRequest{}
	return decodeFields("FetchRequest", b, func(f field) (err error) {
		if f.num == 1 {
			m.SHA256, err = f.raw()
		}
		return err
	})
}

// FetchResponse gives content.
type FetchResponse struct{ Content []byte }

// AppendTo implements Message.
func (m *FetchResponse) AppendTo(b []byte) []byte { return appendBytes(b, 1, m.Content) }

// Decode implements Message.
func (m *FetchResponse) Decode(b []byte) error {
	*m = FetchResponse{}
	return decodeFields("FetchResponse", b, func(f field) (err error) {
		if f.num == 1 {
			m.Content, err = f.raw()
		}
		return err
	})
}

func decodeFields(name string, b []byte, f func(field) error) error {
	if err := eachField(b, f); err != nil {
		return fmt.Errorf("message %s: %w", name, err)
	}
	return nil
}

func (f field) raw() ([]byte, error) {
	if f.typ != protowire.BytesType {
		return nil, errType
	}
	if f.bytes == nil {
		return []byte{}, nil
	}
	return f.bytes, nil
}

func (f field) int64() (int64, error) {
	v, err := f.number(math.MaxUint64)
	return int64(v), err
}
