package state

import (
	"errors"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func testShared(t *testing.T, f fixture) {
	ctx := t.Context()
	ok(t, f.PutShared(ctx, "lists", "b", []byte("two")))
	ok(t, f.PutShared(ctx, "lists", "a", []byte("one")))
	ok(t, f.PutShared(ctx, "others", "a", []byte{}))
	all, err := f.Shared(ctx, "lists", 0, 10)
	ok(t, err)
	if len(all) != 2 || all[0].Name != "b" || all[1].Version != 2 || string(all[1].Value) != "one" {
		t.Fatalf("%+v", all)
	}
	if one, err := f.Shared(ctx, "lists", 0, 1); err != nil || len(one) != 1 || one[0].Name != "b" {
		t.Errorf("%+v %v", one, err)
	}
	ok(t, f.PutShared(ctx, "lists", "b", nil))
	after, err := f.Shared(ctx, "lists", all[1].Version, 10)
	ok(t, err)
	if len(after) != 1 || after[0].Name != "b" || after[0].Value != nil {
		t.Fatalf("%+v", after)
	}
	if names, err := f.SharedNames(ctx, "lists"); err != nil || len(names) != 1 || names[0] != "a" {
		t.Errorf("%v %v", names, err)
	}
	if i, err := f.SharedItem(ctx, "others", "a"); err != nil || i.Value == nil {
		t.Errorf("an empty thing is not one that is gone: %+v %v", i, err)
	}
	ok(t, f.DropShared(ctx, "others", "a"))
	if _, err := f.SharedItem(ctx, "others", "a"); !errors.Is(err, model.ErrNotFound) {
		t.Error(err)
	}
}

func testLease(t *testing.T, f fixture) {
	lease := func(holder string, want bool) {
		t.Helper()
		if got, err := f.Lease(t.Context(), "fetch", holder, 50*time.Millisecond); err != nil || got != want {
			t.Errorf("%s: %t %v", holder, got, err)
		}
	}
	lease("one", true)
	lease("two", false)
	lease("one", true)
	f.clock.pass(time.Second)
	lease("two", true)
	lease("one", false)
}
