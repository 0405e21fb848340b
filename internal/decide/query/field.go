package query

// Field is a field of an event that a query can name.
type Field string

// The fields. Those of observables have the observable type's name.
const (
	FieldSeverity    Field = "severity"
	FieldLayer       Field = "layer"
	FieldCount       Field = "count"
	FieldDevice      Field = "device"
	FieldReporter    Field = "reporter"
	FieldKind        Field = "kind"
	FieldRule        Field = "rule"
	FieldTechnique   Field = "technique"
	FieldID          Field = "id"
	FieldSubject     Field = "subject"
	FieldExplanation Field = "explanation"
	FieldAdvice      Field = "advice"
	FieldIP          Field = "ip"
	FieldMAC         Field = "mac"
	FieldDomain      Field = "domain"
	FieldURL         Field = "url"
	FieldSHA256      Field = "sha256"
	FieldSHA1        Field = "sha1"
	FieldMD5         Field = "md5"
	FieldJA4         Field = "ja4"
	FieldCert        Field = "certificate"
	FieldPath        Field = "path"
	FieldPort        Field = "port"
	FieldProtocol    Field = "protocol"
	FieldClass       Field = "class"

	fieldSince Field = "since"
	fieldUntil Field = "until"
	fieldTime  Field = "time"
)

// fieldClass says how the values of a field are read and compared.
type fieldClass uint8

const (
	classUnknown  fieldClass = iota
	classNumber              // severity, layer, count
	classWhole               // the whole value, wildcards allowed
	classContains            // text that contains the value
	classObserved            // an observable of the field's type
	classTime
)

func classOf(f Field) fieldClass {
	switch f {
	case FieldSeverity, FieldLayer, FieldCount:
		return classNumber
	case FieldDevice, FieldReporter, FieldKind, FieldRule, FieldTechnique, FieldID:
		return classWhole
	case FieldSubject, FieldExplanation, FieldAdvice:
		return classContains
	case FieldIP, FieldMAC, FieldDomain, FieldURL, FieldSHA256, FieldSHA1, FieldMD5, FieldJA4, FieldCert,
		FieldPath, FieldPort, FieldProtocol, FieldClass:
		return classObserved
	case fieldSince, fieldUntil, fieldTime:
		return classTime
	}
	return classUnknown
}

// Observed says whether the field stands for an observable of that type.
func (f Field) Observed() bool { return classOf(f) == classObserved }

// Identifier says whether the field's values are in lower case by definition
// (device, reporter, kind). They are compared as they are, so that a store need
// not fold them.
func (f Field) Identifier() bool {
	return f == FieldDevice || f == FieldReporter || f == FieldKind
}

// Fields lists the names of all fields, for completion and for messages.
func Fields() []string {
	return []string{"severity", "layer", "count", "device", "reporter", "kind", "rule", "technique", "id",
		"subject", "explanation", "advice", "ip", "mac", "domain", "url", "sha256", "sha1", "md5",
		"ja4", "certificate", "path", "port", "protocol", "class",
		"since", "until", "time"}
}

// aliasOf gives the field that another usual name stands for.
func aliasOf(name string) Field {
	switch name {
	case "sev", "level":
		return FieldSeverity
	case "part", "agent", "gate":
		return FieldReporter
	case "dev", "host":
		return FieldDevice
	case "after", "from":
		return fieldSince
	case "before", "to":
		return fieldUntil
	case "hash":
		return FieldSHA256
	case "proto", "app":
		return FieldProtocol
	case "file":
		return FieldPath
	}
	return Field(name)
}
