package model

// SharedItem is a thing that several instances of a service have in common.
type SharedItem struct {
	Name    string
	Version int64  // rises with each change of the space that it is in
	Value   []byte // nil: it is gone
}
