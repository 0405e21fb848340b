package xdp

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// TestLayout compares every struct that lies in a map with the objects' own
// description of it: size, and offset and size of each field.
func TestLayout(t *testing.T) {
	spec, err := loadInside()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"count": count{}, "device_place": devicePlace{}, "device_line": deviceLine{}, "device": device{},
		"ceiling": ceiling{}, "device_shared": deviceShared{}, "flow": flow{}, "flow_more": flowMore{},
		"flow_set": flowSet{}, "flow_more_set": flowMoreSet{}, "totals": totals{}, "rule": rule{},
		"rule_hits": ruleHits{}, "tuple": tuple{}, "tuples": tuples{}, "rule_key": ruleKey{},
		"rule_chain": ruleChain{}, "bucket_key": bucketKey{}, "lpm4": lpm4{}, "lpm6": lpm6{},
		"inside": inside{}, "verdict_key": verdictKey{}, "verdict": verdict{}, "refusal_key": refusalKey{}, "refusal": refusal{}, "config": config{},
	} {
		var c *btf.Struct
		if err := spec.Types.TypeByName(name, &c); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compareStruct(t, name, c, reflect.TypeOf(v))
	}
}

func compareStruct(t *testing.T, name string, c *btf.Struct, g reflect.Type) {
	t.Helper()
	if uintptr(c.Size) != g.Size() {
		t.Errorf("%s: %d bytes in C, %d in Go", name, c.Size, g.Size())
	}
	var fields []reflect.StructField
	for f := range g.Fields() {
		if f.Name != "_" {
			fields = append(fields, f)
		}
	}
	if len(fields) != len(c.Members) {
		t.Errorf("%s: %d fields in C, %d in Go", name, len(c.Members), len(fields))
		return
	}
	for i, m := range c.Members {
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatalf("%s.%s: %v", name, m.Name, err)
		}
		f := fields[i]
		if !strings.EqualFold(strings.ReplaceAll(m.Name, "_", ""), f.Name) {
			t.Errorf("%s: field %d is %s in C, %s in Go", name, i, m.Name, f.Name)
		}
		if uintptr(m.Offset.Bytes()) != f.Offset || uintptr(size) != f.Type.Size() {
			t.Errorf("%s.%s: at %d, %d bytes in C; at %d, %d bytes in Go", name, m.Name, m.Offset.Bytes(), size, f.Offset, f.Type.Size())
		}
	}
}

// TestHashesSpread checks that neither table's hash leaves places empty for
// keys that differ in few bits, as addresses of one network do.
func TestHashesSpread(t *testing.T) {
	const places, keys = 1024, 4096
	var first, second [places]int
	for i := range keys {
		one, two := devicePlaces(uint64(2)|uint64(i)<<40|uint64(i>>8)<<32, 0x1234567, places)
		first[one]++
		second[two]++
	}
	for i := range places {
		if first[i] > 16 || second[i] > 20 {
			t.Errorf("place %d: %d and %d of %d keys", i, first[i], second[i], keys)
		}
	}
}
