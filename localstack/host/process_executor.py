"""A LocalStack plugin that runs Python functions in a process of their own, for hosts without docker.

Selected with LAMBDA_RUNTIME_EXECUTOR=process. One process serves one function environment; a call that takes longer
than the function's time-out ends it, as AWS ends an environment, and the next call gets a fresh one.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

WORKER = Path(__file__).with_name("process_executor_worker.py")
INHERITED = ("PATH", "HOME", "LANG")


class ProcessExecutor(RuntimeExecutor):
    def start(self, env_vars):
        function = self.function_version.config
        if not (function.runtime or "").startswith("python"):
            raise NotImplementedError(f"only Python functions run without docker, not {function.runtime}")
        self.timeout_s = function.timeout
        self.code_dir = str(function.code.get_unzipped_code_location())
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environment = inherited | {name: str(value) for name, value in env_vars.items()} | {"TZ": "UTC"}
        self.lock = threading.Lock()
        self.worker = self._spawn()

    def _spawn(self):
        return subprocess.Popen(
            [sys.executable, str(WORKER)],
            cwd=self.code_dir,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def stop(self):
        worker = getattr(self, "worker", None)
        if worker:
            worker.kill()
            worker.wait()

    def invoke(self, payload):
        with self.lock:
            answer = self._exchange(json.dumps(payload))
        request_id = payload["invoke-id"]
        if answer is None:
            return InvocationResult(request_id, json.dumps(self._timed_out(request_id)).encode(), True, "")
        return InvocationResult(request_id, answer["result"].encode(), answer["failed"], answer["log"])

    def _exchange(self, line):
        """The worker's answer to one call, or None when it ended or was ended before it answered."""
        if self.worker.poll() is not None:
            self.worker = self._spawn()
        alarm = threading.Timer(self.timeout_s, self.worker.kill)
        alarm.start()
        try:
            self.worker.stdin.write(line + "\n")
            self.worker.stdin.flush()
            answer = self.worker.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            alarm.cancel()
        return json.loads(answer) if answer else None

    def _timed_out(self, request_id):
        message = f"RequestId: {request_id} Error: Task timed out after {self.timeout_s:.2f} seconds"
        return {"errorType": "Sandbox.Timedout", "errorMessage": message}

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    def get_logs(self):
        return ""

    @classmethod
    def prepare_version(cls, function_version):
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        """Nothing was prepared that has to go."""


class ProcessPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *args, **kwargs):
        return ProcessExecutor
