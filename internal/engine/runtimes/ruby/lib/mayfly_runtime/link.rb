# frozen_string_literal: true

require 'json'
require 'socket'

module MayflyRuntime
  # A private way to the platform: frames on a socket that the process is given. It
  # takes one frame each way for an invocation, where HTTP takes two requests. The
  # frames are described in internal/engine/runtimeapi/link.go.
  class Link
    SMALL = 16_384 # what is sent in one piece with its head

    def initialize(descriptor)
      @socket = Socket.for_fd(descriptor)
      @socket.close_on_exec = true # not for the programs that the function runs
      @answer = [frame('N'), nil] # what next sends: it asks for an invocation, too
      @limit = 0
    end

    # assignment waits to be told whose function to run, and returns its environment.
    def assignment
      @socket.write(frame('B'))
      kind, _, body = receive
      raise EOFError, 'the platform does not assign a function' unless kind == 'A'

      JSON.parse(body)['env']
    end

    # next sends the last answer and waits for an invocation: its headers, and its event.
    def next
      send(*@answer)
      @answer = nil
      kind, head, body = receive
      kind, head, body = receive while kind == 'A' # comes too late to matter
      headers = JSON.parse(head)
      @limit = headers.delete('limit') || 0
      [headers, body]
    end

    # respond answers, and tells whether the answer is too long.
    def respond(_headers, body, type)
      if @limit.positive? && body.bytesize > @limit
        @answer = [frame('R', { type: type, large: body.bytesize }), nil]
        return true
      end
      @answer = [frame('R', { type: type }, body.bytesize), body]
      false
    end

    # fail fails the invocation.
    def fail(_headers, body, kind)
      @answer = [frame('F', { type: kind[0, 1000] }, body.bytesize), body]
      false
    end

    # last is the last word of a process that ends. It waits until that is heard.
    def last(_headers, body, kind) = farewell('D', body, kind)
    def fail_init(body, kind) = farewell('X', body, kind)

    private

    def farewell(letter, body, kind)
      send(frame(letter, { type: kind[0, 1000] }, body.bytesize), body)
      nil while @socket.read(64)
    end

    # receive reads a frame: its kind, its head and its payload.
    def receive
      length, kind = read(5).unpack('Va')
      rest = read(length - 1)
      return [kind, nil, rest] unless kind == 'I'

      head = 4 + rest.unpack1('V')
      [kind, rest.byteslice(4, head - 4).force_encoding(Encoding::UTF_8),
       rest.byteslice(head, rest.bytesize - head).force_encoding(Encoding::UTF_8)]
    end

    def read(count)
      return +'' if count.zero?

      data = @socket.read(count)
      raise EOFError, 'the platform closed the link' if data.nil? || data.bytesize < count

      data
    end

    def send(head, body)
      if body.nil?
        @socket.write(head)
      elsif body.bytesize <= SMALL
        @socket.write(head + body.b)
      else
        @socket.write(head, body)
      end
    end

    # frame is one, but for a payload of so many bytes.
    def frame(kind, head = nil, payload = 0)
      return [1 + payload, kind].pack('Va') unless head

      text = JSON.generate(head)
      [5 + text.bytesize + payload, kind, text.bytesize].pack('VaV') + text.b
    end
  end
end
