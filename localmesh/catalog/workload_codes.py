"""Problems of Deployments: what a container can and a process of localmesh cannot."""

from localmesh.manifests.codes import Code

UNDECLARED_VOLUME = Code(
    "SM150",
    "A mount names a volume that the pod does not have",
    'the pod has no volume "{name}"; it has {known}',
    "add the volume to spec.template.spec.volumes, or mount one of those",
)
UNDECLARED_PORT_NAME = Code(
    "SM250",
    "A probe names a port that the container does not declare",
    'the container declares no port named "{name}"; it has {known}',
    "declare the port, or name one of those",
)
MISSING_CONFIGURATION = Code(
    "SM251",
    "A container needs a ConfigMap or Secret that does not exist",
    "{reason}",
    "add it to the manifests, or mark the reference optional",
)
UNSUPPORTED_POD_FIELD = Code(
    "SM350",
    "A pod setting that a process cannot have",
    "localmesh runs pods as processes and cannot give them {field}",
    "{remedy}",
)
UNSUPPORTED_VOLUME = Code(
    "SM351",
    "A kind of volume that localmesh does not have",
    'volume "{name}" is of the kind {kind}; localmesh has emptyDir, configMap, secret and '
    "persistentVolumeClaim",
    "use one of those for the local run",
)
UNSUPPORTED_PROBE = Code(
    "SM352",
    "A kind of probe that localmesh does not have",
    "localmesh probes with httpGet, tcpSocket and exec, not with {kind}",
    "use one of those for the local run",
)
UNSUPPORTED_REFERENCE = Code(
    "SM353",
    "An environment variable with a source that localmesh does not have",
    "localmesh cannot fill a variable from {source}",
    "{remedy}",
)
