"""Runs one function: reads a call as a line of JSON, answers with a line of JSON, until its input ends."""

import contextlib
import importlib
import io
import json
import os
import sys
import time
import traceback


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, call):
        self.aws_request_id = call["invoke-id"]
        self.invoked_function_arn = call["invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = time.monotonic() + float(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"])

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def load_handler():
    module, _, function = os.environ["_HANDLER"].rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), function)


def describe(error, request_id):
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def serve(calls, answers):
    handler = None
    for line in calls:
        call = json.loads(line)
        request_id, failed = call["invoke-id"], False
        log = io.StringIO()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            print(f"START RequestId: {request_id} Version: $LATEST")
            try:
                handler = handler or load_handler()
                result = json.dumps(handler(json.loads(call["payload"] or "{}"), Context(call)))
            except BaseException as error:  # a handler may also call sys.exit()
                result, failed = json.dumps(describe(error, request_id)), True
            print(f"END RequestId: {request_id}")
        answers.write(json.dumps({"result": result, "failed": failed, "log": log.getvalue()}) + "\n")
        answers.flush()


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    # What the handler's own children print must not get between the answers.
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, own)
