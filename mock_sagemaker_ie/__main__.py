"""`python -m mock_sagemaker_ie` is the command mock-sagemaker-ie."""

import sys

from mock_sagemaker_ie.server.command import main

sys.exit(main())
