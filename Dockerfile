# The commands on a CPU:
#   docker build -t nerflame .
#   docker run --rm -v "$PWD:/data" -v nerflame-cache:/cache nerflame demo
# The working folder is /data. The second volume keeps compiled kernels and model files, which the first call makes or fetches.
FROM python:3.12-slim AS wheel
WORKDIR /checkout
COPY settings.ini setup.py MANIFEST.in README.md CHANGELOG.md CITATION.cff LICENSE ./
COPY nerflame nerflame
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
WORKDIR /install
COPY constraints.txt ./
# torch first, from its own index, because the registry's build for x86-64 brings 3 GB of CUDA
RUN torch="$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' constraints.txt)+cpu" \
    && pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu "$torch"
COPY --from=wheel /wheels ./
RUN pip install --no-cache-dir -c constraints.txt "$(ls ./*.whl)[film,photos,tensorboard]"
# volumes that are mounted on these folders belong to the user, as they do
RUN useradd --create-home --uid 1000 user && mkdir /data /cache && chown user:user /data /cache
ENV XDG_CACHE_HOME=/cache
USER user
WORKDIR /data
ENTRYPOINT ["nerflame"]
CMD ["--help"]
