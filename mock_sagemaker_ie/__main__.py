"""The command line mock-sagemaker-ie as `python -m mock_sagemaker_ie`."""

import sys

from mock_sagemaker_ie.server.command import main

sys.exit(main())
