"""Settings of a developer's machine that would change what an AWS SDK does: a configuration file and variables."""

from __future__ import annotations

CONFIG_FILE = """
[default]
region = eu-west-1
endpoint_url = http://127.0.0.1:1
services = elsewhere
use_fips_endpoint = true
use_dualstack_endpoint = true
retry_mode = nonsense
max_attempts = 1
defaults_mode = auto
request_checksum_calculation = nonsense
api_versions =
    sagemaker = 1999-01-01
ca_bundle = /nowhere
parameter_validation = false
[services elsewhere]
sagemaker =
    endpoint_url = http://127.0.0.1:1
"""

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "of-the-machine",
    "AWS_SECRET_ACCESS_KEY": "of-the-machine",
    "AWS_SESSION_TOKEN": "of-the-machine",
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_RETRY_MODE": "nonsense",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_DEFAULTS_MODE": "auto",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "nonsense",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "nonsense",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "nonsense",
    "AWS_STS_REGIONAL_ENDPOINTS": "nonsense",
    "AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth",
    "AWS_SDK_UA_APP_ID": "of-the-machine",
    "AWS_CA_BUNDLE": "/nowhere",
    "REQUESTS_CA_BUNDLE": "/nowhere",
    "AWS_CSM_ENABLED": "true",
    "AWS_DATA_PATH": "/nowhere",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "AWS_EC2_METADATA_DISABLED": "false",
}
