package number

import (
	"fmt"
	"strings"
)

// ParseFlags compiles a list of flag names, each with an optional "!" before it
// ("username,!will"), into a mask of the bits that matter and the bits that must
// be set. A number or a comparison is compiled as Parse does.
func ParseFlags(arg string, bits int, names map[string]uint64) (Test, error) {
	if t, err := Parse(arg, bits, nil); err == nil {
		return t, nil
	}
	var mask, want uint64
	for _, part := range strings.Split(arg, ",") {
		name, not := strings.CutPrefix(strings.TrimSpace(part), "!")
		bit, ok := names[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			return Test{}, fmt.Errorf("%q is not a flag of this keyword", strings.TrimSpace(name))
		}
		mask |= bit
		if !not {
			want |= bit
		}
	}
	return Test{op: opMask, a: mask, b: want}, nil
}
