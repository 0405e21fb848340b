package protocol

func windowsFields() []FieldSpec { return nil }
