package dcerpc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Carrier is a transaction that may carry a call.
type Carrier interface {
	// RPC is the call, nil when there is none.
	RPC() *Call
}

func keywords() []protocol.Keyword {
	on := []protocol.ID{protocol.DCERPC, protocol.SMB}
	return []protocol.Keyword{
		{Name: "dcerpc.iface", Aliases: []string{"dce_iface"}, Dirs: protocol.BothWays, On: on, Stage: protocol.StageStart, Doc: "UUID of the interface that is called, with its version if wanted (UUID,>1), any_frag for any fragment", Compile: compileInterface},
		{Name: "dcerpc.opnum", Aliases: []string{"dce_opnum"}, Dirs: protocol.BothWays, On: on, Stage: protocol.StageStart, Doc: "number of the operation that is called: numbers and ranges (12,18-24)", Compile: compileOpnum},
	}
}

// called is the call of tx, nil when it is none.
func called(tx protocol.Tx) *Call {
	c, ok := tx.(Carrier)
	if !ok {
		return nil
	}
	call := c.RPC()
	if call == nil || !call.IsRequest() {
		return nil
	}
	return call
}

func compileInterface(arg string) (protocol.Test, error) {
	parts := strings.Split(arg, ",")
	uuid, err := parseUUID(strings.TrimSpace(parts[0]))
	if err != nil {
		return nil, err
	}
	op, version, any := byte(0), uint16(0), false
	for i, part := range parts[1:] {
		part = strings.TrimSpace(part)
		if part == "any_frag" && i == len(parts)-2 {
			any = true
			continue
		}
		if op != 0 || i > 0 {
			return nil, fmt.Errorf("dcerpc.iface: %q is not expected; write UUID,>1,any_frag", part)
		}
		if op, version, err = parseVersion(part); err != nil {
			return nil, err
		}
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		call := called(tx)
		if call == nil {
			return false
		}
		f, ok := call.Interface()
		return ok && f.UUID == uuid && (any || f.First) && versionFits(op, f.Major, version)
	}, nil
}

func versionFits(op byte, have, want uint16) bool {
	switch op {
	case '<':
		return have < want
	case '>':
		return have > want
	case '=':
		return have == want
	case '!':
		return have != want
	}
	return true
}

func parseVersion(s string) (op byte, version uint16, err error) {
	if len(s) < 2 || strings.IndexByte("<>=!", s[0]) < 0 {
		return 0, 0, fmt.Errorf("dcerpc.iface: %q is not a version such as =1, >1, <1 or !1", s)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(s[1:]), 10, 16)
	if err != nil {
		return 0, 0, fmt.Errorf("dcerpc.iface: %q is not a version from 0 to 65535", s[1:])
	}
	return s[0], uint16(n), nil
}

func parseUUID(s string) (u UUID, err error) {
	if len(s) != 36 {
		return u, fmt.Errorf("dcerpc.iface: %q is not a UUID such as 367abb81-9844-35f1-ad32-98f038001003", s)
	}
	for _, i := range []int{8, 13, 18, 23} {
		if s[i] != '-' {
			return u, fmt.Errorf("dcerpc.iface: %q is not a UUID: no - at position %d", s, i+1)
		}
	}
	digits := strings.ReplaceAll(s, "-", "")
	for i := range u {
		n, err := strconv.ParseUint(digits[2*i:min(2*i+2, len(digits))], 16, 8)
		if err != nil {
			return u, fmt.Errorf("dcerpc.iface: %q is not a UUID: it has bytes that are not hexadecimal", s)
		}
		u[i] = byte(n)
	}
	return u, nil
}

// span is a range of operations, both ends included.
type span struct{ from, to uint16 }

func compileOpnum(arg string) (protocol.Test, error) {
	var spans []span
	for part := range strings.SplitSeq(arg, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		from, err := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
		to, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
		if err != nil || err2 != nil || from > to || ranged && from == to {
			return nil, fmt.Errorf("dcerpc.opnum: %q is neither a number from 0 to 65535 nor a range such as 18-24", part)
		}
		spans = append(spans, span{uint16(from), uint16(to)})
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		call := called(tx)
		if call == nil {
			return false
		}
		for _, s := range spans {
			if call.Opnum >= s.from && call.Opnum <= s.to {
				return true
			}
		}
		return false
	}, nil
}
