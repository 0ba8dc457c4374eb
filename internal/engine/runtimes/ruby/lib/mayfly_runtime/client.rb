# frozen_string_literal: true

require 'json'
require 'net/http'

module MayflyRuntime
  # The public Runtime API over HTTP.
  # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
  class Client
    ROOT = '/2018-06-01/runtime'

    def initialize(address)
      host, port = address.split(':')
      @http = Net::HTTP.new(host, Integer(port || 80))
      @http.read_timeout = @http.write_timeout = nil # frozen for as long as nobody calls
      @http.keep_alive_timeout = 1 << 30
      @http.max_retries = 0
    end

    def next
      @http.start unless @http.started?
      response = @http.get("#{ROOT}/invocation/next")
      raise "the Runtime API answered #{response.code}" unless response.is_a?(Net::HTTPSuccess)

      [response.each_header.to_h, (response.body || +'').force_encoding(Encoding::UTF_8)]
    end

    # respond answers, and tells whether the answer is too long.
    def respond(headers, body, type)
      post("/invocation/#{id(headers)}/response", body, 'Content-Type' => type) == 413
    end

    def fail(headers, body, kind)
      post("/invocation/#{id(headers)}/error", body, error(kind)) == 413
    end

    alias last fail

    def fail_init(body, kind)
      post('/init/error', body, error(kind))
    end

    private

    def id(headers) = headers['lambda-runtime-aws-request-id']

    def error(kind)
      { 'Content-Type' => 'application/vnd.aws.lambda.error+json', 'Lambda-Runtime-Function-Error-Type' => kind }
    end

    def post(path, body, headers)
      @http.start unless @http.started?
      Integer(@http.post(ROOT + path, body, headers).code)
    end
  end
end
