"""SM1xx: what Kubernetes or Istio refuses."""

from localmesh.problems.codes.code import Code

UNKNOWN_FIELD = Code(
    "SM101",
    "A field is not known",
    '"{name}" is not a field here; known are {known}',
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
    "A value is not one of those allowed",
    "found {found}, expected {expected}",
    "{remedy}",
)
EXCLUSIVE_FIELDS = Code(
    "SM105",
    "Fields exclude each other",
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
    "A duration cannot be read",
    "found {found}, expected {expected}",
    "write for example 500ms, 2s or 1m30s, or leave the field away",
)
BAD_BASE64 = Code(
    "SM108",
    "A value is not base64",
    "found {found}, expected base64",
    "encode the value, or in a Secret write it under stringData",
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
    "rewrite it; free text belongs into annotations",
)
DUPLICATE_ENTRY = Code(
    "SM113",
    "A list has two entries of one name",
    "{what} {found} is already at {first}",
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
    "The selector does not select the template",
    "the selector asks for {wanted}, the template has {found}",
    "make spec.template.metadata.labels and spec.selector.matchLabels agree",
)
BAD_PROBE = Code(
    "SM116",
    "A probe does not have exactly one handler",
    "{found}, expected exactly one of httpGet, tcpSocket, exec and grpc",
    "write one of them",
)
UNKNOWN_NAME = Code(
    "SM117",
    "A name refers to nothing in the pod",
    "{found} is not {expected}; there is {known}",
    "declare it or correct the name",
)
BAD_SERVICE = Code(
    "SM118",
    "A Service contradicts itself",
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
    "give each destination its share, for example 80 and 20",
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
    "write the share in percent, for example 12.5",
)
BAD_STATUS = Code(
    "SM126",
    "An HTTP status is not valid",
    "found {found}, expected {expected}",
    "write a status such as 503",
)
BAD_RETRIES = Code(
    "SM127",
    "A retry policy is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
ROUTE_ACTION = Code(
    "SM128",
    "An HTTP route does not do exactly one thing",
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
    "leave the condition away, or write a regex of .+ to ask for presence",
)
BAD_GATEWAY_NAME = Code(
    "SM131",
    "A gateway is named wrongly",
    "found {found}, expected {expected}",
    "write the gateway as namespace/name",
)
BAD_DELEGATE = Code(
    "SM132",
    "A delegate VirtualService has what only a root may have",
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
    "A block says nothing",
    "found {found}, expected at least one of {expected}",
    "fill it or remove it",
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
    "The keys of an issuer cannot be used",
    "jwks is no JSON Web Key Set: {reason}",
    "write the issuer's public keys, as its jwks_uri serves them",
)
BAD_ENTRY = Code(
    "SM145",
    "A ServiceEntry contradicts itself",
    "found {found}, expected {expected}",
    "{remedy}",
)
