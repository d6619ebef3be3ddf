"""The batch example with Python's requests. Run in examples/, with the endpoint's URL."""
import sys

import requests

answer = requests.post(sys.argv[1], data=open('batch-data.xml', 'rb'))
print(f"HTTP/1.1 {answer.status_code} {answer.reason}\r")
for name, value in answer.headers.items():
    print(f"{name}: {value}\r")
print("\r")
print(answer.text)
