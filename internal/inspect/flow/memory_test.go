package flow

import (
	"testing"
	"unsafe"
)

func TestSessionBytes(t *testing.T) {
	if n := unsafe.Sizeof(session{}); unsafe.Sizeof(uintptr(0)) == 8 && n != SessionBytes {
		t.Errorf("a session takes %d bytes, SessionBytes is %d", n, SessionBytes)
	}
}
