"""SM1xx: what Kubernetes or Istio reject as invalid."""

from localmesh.problems.problem import Code

UNKNOWN_FIELD = Code(
    "SM101",
    "A field is unknown",
    '"{name}" is not a field here; the fields are {known}',
    "{remedy}",
)
WRONG_TYPE = Code(
    "SM102",
    "A value has the wrong type",
    "found {found}, which is {type}, expected {expected}",
    "{remedy}",
)
MISSING_FIELD = Code(
    "SM103",
    "A required field is missing",
    'the field "{name}" is missing{why}',
    "{remedy}",
)
NOT_IN_SET = Code(
    "SM104",
    "A value is not allowed",
    "found {found}, expected {expected}",
    "{remedy}",
)
EXCLUSIVE_FIELDS = Code(
    "SM105",
    "Fields are mutually exclusive",
    "{found} are set, expected at most one of {expected}",
    "keep one of them",
)
OUT_OF_RANGE = Code(
    "SM106",
    "A value is out of range",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_DURATION = Code(
    "SM107",
    "A duration is not valid",
    "found {found}, expected {expected}",
    "write for example 500ms, 2s or 1m30s, or remove the field",
)
BAD_BASE64 = Code(
    "SM108",
    "A value is not base64",
    "found {found}, expected base64",
    "encode the value; in a Secret, plain text goes under stringData",
)
BAD_NAME = Code(
    "SM111",
    "A name is not allowed",
    "found {found}, expected {expected}",
    "choose another name",
)
BAD_LABEL = Code(
    "SM112",
    "A label or annotation is malformed",
    "{part} {found} is malformed, expected {expected}",
    "correct it; free text goes in annotations",
)
DUPLICATE_ENTRY = Code(
    "SM113",
    "Two entries of a list have the same name",
    "{what} {found} is already used at {first}",
    "rename or remove one of them",
)
BAD_PORT = Code(
    "SM114",
    "A port is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
SELECTOR_MISMATCH = Code(
    "SM115",
    "The selector does not match the template",
    "the selector requires {wanted}, the labels of the template are {found}",
    "make spec.template.metadata.labels match spec.selector.matchLabels",
)
BAD_PROBE = Code(
    "SM116",
    "A probe does not have exactly one handler",
    "{found}, expected exactly one of httpGet, tcpSocket, exec and grpc",
    "define exactly one of them",
)
UNKNOWN_NAME = Code(
    "SM117",
    "A name refers to something that is not defined",
    "{found} is not {expected}; defined: {known}",
    "define it or correct the name",
)
BAD_SERVICE = Code(
    "SM118",
    "Fields of a Service contradict each other",
    "{found}, expected {expected}",
    "{remedy}",
)
BAD_HOST = Code(
    "SM121",
    "A host name is malformed",
    "found {found}, expected {expected}",
    "{remedy}",
)
DUPLICATE_HOST = Code(
    "SM122",
    "Two hosts of one VirtualService overlap",
    "found {found}, which overlaps with {first} at {where}",
    "keep one of them",
)
BAD_WEIGHT = Code(
    "SM123",
    "A weight is not valid",
    "found {found}, expected {expected}",
    "give each destination a weight, for example 80 and 20",
)
BAD_REGEX = Code(
    "SM124",
    "A regular expression is not valid",
    "found {found}, expected an RE2 regular expression: {reason}",
    "{remedy}",
)
BAD_PERCENTAGE = Code(
    "SM125",
    "A percentage is out of range",
    "found {found}, expected {expected}",
    "write a percentage, for example 12.5",
)
BAD_STATUS = Code(
    "SM126",
    "An HTTP status code is not valid",
    "found {found}, expected {expected}",
    "write a status code such as 503",
)
BAD_RETRIES = Code(
    "SM127",
    "A retry policy is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
ROUTE_ACTION = Code(
    "SM128",
    "An HTTP route does not have exactly one action",
    "{found}, expected {expected}",
    "{remedy}",
)
BAD_HEADER = Code(
    "SM129",
    "A header is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_MATCH = Code(
    "SM130",
    "A match is empty",
    "found {found}, expected {expected}",
    "remove the condition, or write the regex .+ to match any value",
)
BAD_GATEWAY_NAME = Code(
    "SM131",
    "The name of a gateway is not valid",
    "found {found}, expected {expected}",
    "write namespace/name",
)
BAD_DELEGATE = Code(
    "SM132",
    "A delegate VirtualService has fields that only a root may have",
    "{found}, expected {expected}",
    "{remedy}",
)
BAD_REDIRECT = Code(
    "SM133",
    "A redirect is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_REWRITE = Code(
    "SM134",
    "A rewrite is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_FAULT = Code(
    "SM135",
    "A fault is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_CORS = Code(
    "SM136",
    "A CORS policy is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
EMPTY_BLOCK = Code(
    "SM137",
    "A block is empty",
    "found {found}, expected at least one of {expected}",
    "set one of them, or remove the block",
)
BAD_LOAD_BALANCER = Code(
    "SM138",
    "A load balancer setting is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_OUTLIER_DETECTION = Code(
    "SM139",
    "An outlier detection setting is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_CONNECTION_POOL = Code(
    "SM140",
    "A connection pool setting is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_SERVER = Code(
    "SM141",
    "A server of a Gateway is not valid",
    "{found}, expected {expected}",
    "{remedy}",
)
BAD_EXPORT = Code(
    "SM142",
    "exportTo is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_POLICY = Code(
    "SM143",
    "A security policy is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_TOKEN_KEYS = Code(
    "SM144",
    "The keys of an issuer are not valid",
    "jwks is not a JSON Web Key Set: {reason}",
    "write the issuer's public keys, as its jwks_uri serves them",
)
BAD_ENTRY = Code(
    "SM145",
    "A field of a ServiceEntry or of an endpoint is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_ROUTE = Code(
    "SM146",
    "A field of the Gateway API is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
BAD_EXPRESSION = Code(
    "SM151",
    "An expression is not valid",
    "found {found}, which is not an expression of CEL: {reason}",
    "write for example response.code >= 400",
)
BAD_TAG = Code(
    "SM152",
    "A tag of a metric is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
