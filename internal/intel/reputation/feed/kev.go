package feed

import (
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// kevReader reads the catalogue of known exploited vulnerabilities of CISA (its JSON
// schema is published beside it). Each entry names a maker and a product; the claim is on
// the device "maker/product", its note the CVE. Many entries are of one product: who
// keeps them keeps the worst and the latest.
type kevReader struct {
	piecewise
	p      *pieces
	inside bool // of the array
	began  bool
}

func openKEV(r io.Reader, o *Options) (Reader, error) {
	k := &kevReader{p: newPieces(r)}
	k.piecewise = piecewise{o: o, fill: func(*piecewise) error { return k.step() }}
	return k, nil
}

func (k *kevReader) step() error {
	k.p.object()
	switch {
	case !k.began:
		k.began = true
		return notJSON(k.p.Object())
	case k.inside:
		ok, err := k.p.Item()
		if k.inside = ok; !ok {
			return err
		}
		return k.entry()
	case k.p.Depth() == 0:
		_, err := k.p.Peek()
		if err == nil {
			err = k.p.End()
		}
		return err
	}
	name, ok, err := k.p.Key()
	if !ok {
		return err
	}
	if string(name) != "vulnerabilities" {
		return k.p.Skip()
	}
	k.inside = true
	return k.p.Array()
}

// entry reads one vulnerability.
func (k *kevReader) entry() error {
	var maker, product, cve, added []byte
	err := k.p.members("an entry", func(name []byte) error {
		switch string(name) {
		case "vendorProject":
			return k.p.text("vendorProject", &maker)
		case "product":
			return k.p.text("product", &product)
		case "cveID":
			return k.p.text("cveID", &cve)
		case "dateAdded":
			return k.p.text("dateAdded", &added)
		}
		return k.p.Skip()
	})
	if err != nil {
		return notJSON(err)
	}
	k.begin(cve, maker, product)
	if k.p.wrong != nil {
		return k.p.wrong
	}
	if len(maker) == 0 || len(product) == 0 {
		return &Refusal{Problem: "no maker and product in the entry", Mend: "is this the catalogue of known exploited vulnerabilities?"}
	}
	o, err := canon.Device(string(deviceOf(maker, product)))
	if err != nil {
		return err
	}
	c := k.base()
	c.First = when(added)
	c.Last = c.First
	if len(cve) > 0 {
		c.Note = note(string(cve))
	}
	c.Object = reputation.Object{}
	k.give(c, o)
	return nil
}
