package payload

import "fmt"

// ParseTransform reads a transform keyword and its argument ("" for none). The
// error says what is wrong and what to write. The transform keeps l.
func ParseTransform(name, arg string, l *Library) (Transform, error) {
	t := Transform{Name: name, Arg: arg, library: l}
	for i := range transformTable {
		row := &transformTable[i]
		if row.name != name {
			continue
		}
		if l.lacks(name) {
			return t, fmt.Errorf("this program has not what %s needs", name)
		}
		t.apply = row.apply
		if row.parse == nil {
			if arg != "" {
				return t, fmt.Errorf("%s takes no argument", name)
			}
			return t, nil
		}
		return t, row.parse(&t)
	}
	return t, fmt.Errorf("unknown transform %q", name)
}

// TransformNames are the transform keywords in the order of the table.
func TransformNames() []string {
	names := make([]string, len(transformTable))
	for i := range transformTable {
		names[i] = transformTable[i].name
	}
	return names
}

// Apply runs the transforms over buf. What it returns lies in w or in buf, and
// is valid until the next Apply with w. It bounds what it makes by
// MaxTransformed bytes.
func (c Chain) Apply(buf []byte, w *Workspace) []byte {
	for i := range c {
		w.wrote = false
		buf = c[i].apply(&c[i], buf, w)
		if w.wrote { // buf lies in a: the next one writes to the other
			w.a, w.b = w.b, w.a
		}
	}
	return buf
}
