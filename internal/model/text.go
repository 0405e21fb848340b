package model

import (
	"fmt"
	"strings"
)

var (
	layerNames    = [...]string{"", "device", "network", "control", "data"}
	severityNames = [...]string{"info", "low", "medium", "high", "critical"}
)

// String gives the layer's name: device, network, control or data.
func (l Layer) String() string {
	if l < 1 || int(l) >= len(layerNames) {
		return fmt.Sprintf("layer(%d)", uint16(l))
	}
	return layerNames[l]
}

// MarshalText implements encoding.TextMarshaler; an unset layer is the empty text.
func (l Layer) MarshalText() ([]byte, error) {
	if l == 0 {
		return nil, nil
	}
	if int(l) >= len(layerNames) {
		return nil, fmt.Errorf("layer %d is not one of device, network, control, data", uint16(l))
	}
	return []byte(layerNames[l]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Layer) UnmarshalText(b []byte) error {
	v, err := ParseLayer(string(b))
	if err == nil {
		*l = v
	}
	return err
}

// ParseLayer reads a layer's name; the empty string is the unset layer.
func ParseLayer(s string) (Layer, error) {
	for i, n := range layerNames {
		if n == s {
			return Layer(i), nil
		}
	}
	return 0, fmt.Errorf("layer %q: want one of %s", s, strings.Join(layerNames[1:], ", "))
}

// String gives the severity's name: info, low, medium, high or critical.
func (s Severity) String() string {
	if int(s) >= len(severityNames) {
		return fmt.Sprintf("severity(%d)", uint8(s))
	}
	return severityNames[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) {
	if int(s) >= len(severityNames) {
		return nil, fmt.Errorf("severity %d is not one of %s", uint8(s), strings.Join(severityNames[:], ", "))
	}
	return []byte(severityNames[s]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(b []byte) error {
	v, err := ParseSeverity(string(b))
	if err == nil {
		*s = v
	}
	return err
}

// ParseSeverity reads a severity's name.
func ParseSeverity(s string) (Severity, error) {
	for i, n := range severityNames {
		if n == s {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("severity %q: want one of %s", s, strings.Join(severityNames[:], ", "))
}
