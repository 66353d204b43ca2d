"""AWS's wire format and rules, driven by botocore's service model. It knows no experiment."""
