package protocol

func industryFields() []FieldSpec { return nil }
