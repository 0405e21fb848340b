package http2

import (
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
)

var frameNames = [...]string{"data", "headers", "priority", "rst_stream", "settings", "push_promise", "ping", "goaway", "window_update", "continuation"}

var errorNames = [...]string{
	"no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout", "stream_closed", "frame_size_error",
	"refused_stream", "cancel", "compression_error", "connect_error", "enhance_your_calm", "inadequate_security", "http_1_1_required",
}

var settingNames = [...]string{
	1: "settings_header_table_size", 2: "settings_enable_push", 3: "settings_max_concurrent_streams",
	4: "settings_initial_window_size", 5: "settings_max_frame_size", 6: "settings_max_header_list_size",
}

func numbered(names []string) map[string]uint64 {
	m := make(map[string]uint64, 2*len(names))
	for i, n := range names {
		if n != "" {
			m[n] = uint64(i)
			m[strings.ReplaceAll(n, "_", "")] = uint64(i)
		}
	}
	return m
}

func keywords() []protocol.Keyword {
	number := func(f protocol.Field, name string, bits int, names []string, doc string) protocol.Keyword {
		k := number.Keyword(protocol.HTTP2, f, name, bits, numbered(names), protocol.BothWays, doc)
		k.Stage = protocol.StageNone // frames come one by one: tried with each
		return k
	}
	return []protocol.Keyword{
		number(protocol.HTTP2FrameType, "http2.frametype", 8, frameNames[:], "type of a frame: DATA, HEADERS, GOAWAY …"),
		number(protocol.HTTP2ErrorCode, "http2.errorcode", 32, errorNames[:], "error code of a GOAWAY or RST_STREAM frame: NO_ERROR, CANCEL …"),
		number(protocol.HTTP2Priority, "http2.priority", 8, nil, "weight in a PRIORITY or HEADERS frame"),
		number(protocol.HTTP2Window, "http2.window", 32, nil, "increment in a WINDOW_UPDATE frame"),
		number(protocol.HTTP2SizeUpdate, "http2.size_update", 64, nil, "change of the size of the table of header fields"),
		{
			Name: "http2.settings", Dirs: protocol.BothWays, On: []protocol.ID{protocol.HTTP2}, Compile: compileSettings,
			Doc: "a setting, alone or compared: SETTINGS_ENABLE_PUSH=0, SETTINGS_HEADER_TABLE_SIZE>4096",
		},
	}
}

// compileSettings compiles NAME or NAME with a comparison.
func compileSettings(arg string) (protocol.Test, error) {
	arg = strings.TrimSpace(arg)
	end := strings.IndexFunc(arg, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
	if end < 0 {
		end = len(arg)
	}
	id, ok := numbered(settingNames[:])[strings.ToLower(arg[:end])]
	if !ok {
		return nil, fmt.Errorf("%q is no setting; write one of %s", arg[:end], strings.ToUpper(strings.Join(settingNames[1:], ", ")))
	}
	rest := strings.TrimPrefix(strings.TrimSpace(arg[end:]), "=")
	any := rest == ""
	var test number.Test
	if !any {
		var err error
		if test, err = number.Parse(rest, 32, nil); err != nil {
			return nil, err
		}
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		for i := 0; ; i++ {
			v, ok := tx.Uint(protocol.HTTP2Setting, d, i)
			if !ok {
				return false
			}
			if v>>32 == id && (any || test.Match(v&0xffffffff)) {
				return true
			}
		}
	}, nil
}
