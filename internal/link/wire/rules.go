package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

// Bounds on the set "rules".
const (
	MaxRuleFiles = 256
	MaxRuleText  = 4 << 20 // bytes of all files together
)

// EncodeRules gives the payload of the set "rules": files of inspection rules
// in the order in which they are read. The same files give the same bytes.
func EncodeRules(files []model.RuleFile) []byte {
	var b []byte
	for i := range files {
		b = appendNested(b, 1, func(b []byte) []byte {
			b = appendText(b, 1, files[i].Name, MaxText)
			return appendBytes(b, 2, []byte(files[i].Text))
		})
	}
	return b
}

// DecodeRules reads the payload of the set "rules". One bad file refuses the
// whole set.
func DecodeRules(payload []byte) ([]model.RuleFile, error) {
	var files []model.RuleFile
	left := MaxRuleText
	err := eachField(payload, func(f field) error {
		if f.num != 1 {
			return nil
		}
		err := addTo(&files, MaxRuleFiles, f, decodeRuleFile)
		if err != nil {
			return err
		}
		if left -= len(files[len(files)-1].Text); left < 0 {
			return fmt.Errorf("more than %d bytes of rules", MaxRuleText)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("set rules: file %d: %w", len(files), err)
	}
	return files, nil
}

func decodeRuleFile(b []byte, r *model.RuleFile) error {
	return eachField(b, func(f field) (err error) {
		if f.typ != protowire.BytesType {
			return errType
		}
		switch f.num {
		case 1:
			r.Name, err = f.text(MaxText)
		case 2:
			r.Text = string(f.bytes)
		}
		return err
	})
}
